"""One model, many users: predictions and explanations of single images, in lanes that do not wait for each other."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lesion_core.amounts import check_amount
from lesion_core.analysis.metrics import softmax
from lesion_core.config import Preprocessing
from lesion_core.errors import LesionError, RunError
from lesion_core.explain.attribution import LAST, attribute, from_maps
from lesion_core.explain.cam import class_maps
from lesion_core.explain.maps import Attribution, Target
from lesion_core.explain.methods import known_method
from lesion_core.explain.sanity import STAGES, randomise
from lesion_core.explain.target_function import OnPass
from lesion_core.imaging.decode import content_hash
from lesion_core.imaging.preprocess import Pipeline, normalize
from lesion_core.inference.inputs import ModelInputs, batches
from lesion_core.models.backends import BACKENDS, Backend, make_backend, quickest_backend
from lesion_core.models.classifiers import pool, sharing_weights, trained, untrained
from lesion_core.ood.known_answer import read_known_answer
from lesion_core.ood.model_outputs import Outputs, reduce
from lesion_core.runs.classifier import Run, open_run
from lesion_core.runs.consistency import check_tables
from lesion_core.serving.queue import BoundedLock
from lesion_core.serving.results import Prediction
from lesion_core.serving.single_flight import SingleFlightCache

AT_ONCE = 32
"""Images that the model reads together when there are many."""
KEPT_MAPS = 256 * 2**20
"""Bytes of maps that a model keeps: about 4,000 at the size of 128 pixels."""
BESIDE_A_MAP = 1024
"""Bytes that a kept map takes beside its values."""


class Engine:
    """A run's model in memory, as lanes: networks over the same weights, each with a lock of its own.

    Captum registers hooks on a network: a prediction beside an explanation would run through them, and
    two explanations would remove each other's. So one network predicts, one makes the maps of a few passes, one those
    that take seconds: nobody's prediction waits for a map, and no Grad-CAM for superpixels. Those of the last lane that
    need no gradient run on the quickest backend that is here, the others in float32 (see `models.backends`).

    Args:
        run: The run.
        queue: How many callers may wait; one more gets `BusyError` at once instead of a page that hangs.
        backend: Key of `models.backends.BACKENDS`: how predictions, and the maps that come with them, are computed.

    Raises:
        ModelError: The weights do not fit, or the backend cannot be made here.
        RunError: The model does not give the known answer, or the run's tables are not those of its weights.
    """

    def __init__(self, run: Run, queue: int = 64, backend: str = "eager") -> None:
        self.run = run
        self._pipeline = Pipeline(run.config.settings.preprocessing)
        self._model = trained(run.config.settings.model, run.weights).to(memory_format=torch.channels_last)
        self._model.requires_grad_(False)
        self._backend = make_backend(backend, self._model, run.config.settings.preprocessing.resize.size)
        self._openvino = backend == "openvino"
        self._turns = BoundedLock(queue)
        self._quick, self._slow = sharing_weights(self._model), sharing_weights(self._model)
        self._quick_turns, self._slow_turns = BoundedLock(queue), BoundedLock(queue)
        self._sanity_turns = BoundedLock(queue)
        self._maps: SingleFlightCache[Attribution] = SingleFlightCache(
            lambda found: found.raw.nbytes + BESIDE_A_MAP, KEPT_MAPS
        )
        tolerance = BACKENDS[backend].tolerance
        run.check_known_answer(self._logits, tolerance)
        widths = run.features["mean"].size, run.features["layer3_mean"].size
        own = self._model.fc.in_features, self._model.fc.in_features // 2
        if widths != own:
            raise RunError(
                f"features.safetensors of {run.name} is of {widths} features, its model gives {own}.",
                "Take the whole folder from one source again.",
            )
        outputs = self._read(self._pipeline.apply(run.golden[0])[None])[0].outputs
        read_known_answer(run).check_outputs(run, outputs, tolerance)
        check_tables(run, (self._model.fc.weight.numpy(), self._model.fc.bias.numpy()))

    @classmethod
    def open(cls, folder: Path, backend: str = "eager") -> Engine:
        """The engine of a run folder.

        Raises:
            RunError: The run cannot be opened.
            ModelError: The weights do not fit.
        """
        return cls(open_run(folder), backend=backend)

    @property
    def pipeline(self) -> Pipeline:
        """The run's own preprocessing: the only one that its model is given."""
        return self._pipeline

    def predict(self, image: NDArray[np.uint8], preprocessing: Preprocessing | None = None) -> Prediction:
        """Classify one image.

        Args:
            image: (H, W, 3) uint8 RGB, as `decode` gives it; the run's preprocessing is applied here.
            preprocessing: If given, what the caller believes the run's preprocessing to be.

        Raises:
            RunError: `preprocessing` is not the run's.
            BusyError: Too many callers wait.

        Examples:
            >>> engine = Engine.open(Path("checkpoints/resnet50-isic2019"))
            >>> prediction = engine.predict(engine.run.golden[0])
            >>> prediction.logits.shape, prediction.code in engine.run.classes
            ((8,), True)
        """
        self._refuse_other(preprocessing)
        return self._read(self._pipeline.apply(image)[None])[0]

    def predict_all(self, images: Sequence[NDArray[np.uint8]]) -> list[Prediction]:
        """What `predict` says of each of several images, `AT_ONCE` of them together; other visitors come in between.

        Args:
            images: Each (H, W, 3) uint8 RGB, of any size.

        Raises:
            BusyError: Too many callers wait.
        """
        parts = [images[start : start + AT_ONCE] for start in range(0, len(images), AT_ONCE)]
        return [found for part in parts for found in self._read(np.stack([self._pipeline.apply(one) for one in part]))]

    def predict_files(self, paths: Sequence[Path], workers: int = 1) -> Iterator[Prediction | LesionError]:
        """Classify many image files: what `predict` says of each, faster, because the next ones are decoded
        while the model reads `AT_ONCE` together.

        Args:
            paths: Image files.
            workers: Threads that decode.

        Yields:
            The prediction of each path, in their order, or why it cannot be read.

        Raises:
            BusyError: Too many callers wait.
            ConfigError: `workers` is out of range.
        """
        check_amount(workers, "workers", least=0)
        squares = ModelInputs([str(path) for path in paths], self._pipeline.settings)
        workers = workers if len(paths) > 1 else 0
        for batch in batches(squares, AT_ONCE, workers):
            good = [square.numpy() for square in batch if isinstance(square, Tensor)]
            found = iter(self._read(np.stack(good)) if good else [])
            yield from (next(found) if isinstance(square, Tensor) else square for square in batch)

    def _read(self, squares: NDArray[np.uint8]) -> list[Prediction]:
        """What the run says of squares (N, S, S, 3); their time in the model is shared evenly.

        It is the processor's time of this thread, which takes its part in every step: a clock would count what other
        visitors' maps, and other programs, take of the processor meanwhile.
        """
        x = torch.from_numpy(normalize(squares, self._pipeline.settings))  # (N, 3, S, S)
        with self._turns.take():
            start = time.thread_time()
            with torch.no_grad():
                layer3, activations = self._backend(x)  # (N, C, 2h, 2w), (N, D, h, w)
                penultimate = pool(self._model, activations)  # (N, D)
                logits = self._model.fc(penultimate).numpy()  # (N, K)
                maps = class_maps(self._model, activations).numpy()  # (N, K, h, w)
            spent = 1000 * (time.thread_time() - start) / len(squares)
        probabilities = softmax(logits.astype(np.float64), self.run.calibration.temperature)
        found = []
        for i, row in enumerate(logits):
            one = slice(i, i + 1)
            outputs = Outputs.of(logits[one], *reduce(self.run.features, penultimate[one].numpy(), layer3[one].numpy()))
            found.append(Prediction(self.run.classes, row, probabilities[i], outputs, maps[i], spent))
        return found

    def explain(
        self,
        image: NDArray[np.uint8],
        target: str,
        *,
        against: str | None = None,
        method: str = "gradcam",
        layer: str = "layer4",
        baseline: str = "skin",
        on_pass: OnPass | None = None,
        prediction: Prediction | None = None,
    ) -> Attribution:
        """What in the model's square of the image speaks for a class.

        The same question twice is answered from memory, and two who ask it at once wait for one answer.

        Args:
            image: (H, W, 3) uint8 RGB.
            target: Class code.
            against: Another class code: why `target` and not this one.
            method: Key of `explain.methods.METHODS`.
            layer: Name in `explain.layers.LAYERS`, for the methods that have one.
            baseline: Key of `explain.methods.BASELINES`, for the methods that have one.
            on_pass: Called as images pass the network, and now and then with 0 while others have their turn; it may
                raise to stop.
            prediction: What `predict` said of this image: its Grad-CAM of the last layer is there already.

        Raises:
            RunError: The run has no such class.
            ConfigError: The method or the baseline is unknown.
            ModelError: The layer is unknown, a class is compared with itself, or the map is not finite.
            BusyError: Too many callers wait.
        """
        asked = Target(self._class(target), None if against is None else self._class(against))
        if prediction is not None and (method, layer) == ("gradcam", LAST):
            return from_maps(prediction.maps, asked, self._pipeline.settings.resize.size)
        square = self._pipeline.apply(image)
        key = (content_hash(square), asked, method, layer, baseline)

        entry = known_method(method)
        network, turns = (self._slow, self._slow_turns) if entry.slow else (self._quick, self._quick_turns)

        def make() -> Attribution:
            with turns.take(on_wait):
                return attribute(
                    network,
                    square,
                    self._pipeline.settings,
                    asked,
                    method=method,
                    layer=layer,
                    baseline=baseline,
                    on_pass=on_pass,
                    backend=None if entry.backward else self._without_gradients,
                )

        on_wait = functools.partial(on_pass, 0) if on_pass else None
        return self._maps.get(key, make, on_wait)

    @functools.cached_property
    def _without_gradients(self) -> Backend | None:
        """The backend of slow maps without gradients, in their turn only: made when the first one is asked for, as
        most visits ask for none."""
        return quickest_backend(self._model, self._pipeline.settings.resize.size, openvino=self._openvino)

    def answers(self, squares: NDArray[np.uint8], target: str, against: str | None = None) -> NDArray[np.float64]:
        """The probability of a class for squares that were changed.

        Args:
            squares: (N, S, S, 3) uint8, of the model's size.
            target: Class code.
            against: Another class code: the probability is then of `target` if it can only be one of the two.

        Returns:
            (N,).

        Raises:
            RunError: The run has no such class.
            BusyError: Too many callers wait.
        """
        asked = Target(self._class(target), None if against is None else self._class(against))
        x = torch.from_numpy(normalize(squares, self._pipeline.settings))
        with self._quick_turns.take(), torch.inference_mode():
            logits = self._quick(x).numpy().astype(np.float64)  # (N, K)
        if asked.against is not None:
            logits, asked = logits[:, [asked.index, asked.against]], Target(0)
        return softmax(logits, self.run.calibration.temperature)[:, asked.index]

    def sanity(
        self,
        image: NDArray[np.uint8],
        target: str,
        *,
        against: str | None = None,
        method: str = "gradcam",
        layer: str = "layer4",
        baseline: str = "skin",
        on_pass: OnPass | None = None,
    ) -> Iterator[tuple[str, Attribution]]:
        """The map of a class while the model loses its weights from the answer down (see `explain.sanity`).

        Args and errors as in `explain`.

        Yields:
            The stage in `STAGES` and the map.
        """
        asked = Target(self._class(target), None if against is None else self._class(against))
        square = self._pipeline.apply(image)
        key = (content_hash(square), asked, method, layer, baseline)
        on_wait = functools.partial(on_pass, 0) if on_pass else None

        def make(stage: str) -> Attribution:
            with self._sanity_turns.take(on_wait):
                # A network that nobody else hooks into, made anew: a copy could catch another's hooks. One at a
                # time for all visitors, and gone when its map is there.
                own = untrained(self.run.config.settings.model)
                own.load_state_dict(self._model.state_dict())
                randomise(own, stage)
                return attribute(
                    own.requires_grad_(False),
                    square,
                    self._pipeline.settings,
                    asked,
                    method=method,
                    layer=layer,
                    baseline=baseline,
                    on_pass=on_pass,
                )

        for stage in STAGES:
            yield stage, self._maps.get((*key, stage), functools.partial(make, stage), on_wait)

    def _class(self, code: str) -> int:
        if code not in self.run.classes:
            raise RunError(f"Run {self.run.name} has no class '{code}'.", f"It has {', '.join(self.run.classes)}.")
        return self.run.classes.index(code)

    def _logits(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The logits (K,) of one image, on the engine's backend."""
        x = torch.from_numpy(normalize(self._pipeline.apply(image)[None], self._pipeline.settings))  # (1, 3, S, S)
        with torch.no_grad():
            logits: NDArray[np.float32] = self._model.fc(pool(self._model, self._backend(x)[1]))[0].numpy()
        return logits

    def _refuse_other(self, preprocessing: Preprocessing | None) -> None:
        own = self.run.config.settings.preprocessing
        if preprocessing is not None and preprocessing != own:
            differing = [name for name in type(own).model_fields if getattr(own, name) != getattr(preprocessing, name)]
            raise RunError(
                f"The preprocessing is not that of run {self.run.name}: {', '.join(differing)} differ.",
                "A model is only as good as on the images that it was trained on; use the run's own.",
            )
