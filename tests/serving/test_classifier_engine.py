"""The engine: a known answer, one lock, a bounded queue."""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from lesion_core.analysis.metrics import softmax
from lesion_core.config import Clahe
from lesion_core.data.synthetic.lesions import make_lesion
from lesion_core.errors import BusyError, ConfigError, ImageError, LesionError, ModelError, RunError
from lesion_core.explain.layers import LAYERS
from lesion_core.explain.methods import METHODS
from lesion_core.explain.sanity import STAGES
from lesion_core.imaging.decode import decode
from lesion_core.models.backends import BACKENDS
from lesion_core.ood.model_outputs import ood_outputs, outputs_of
from lesion_core.ood.policy import keeps, read_policy
from lesion_core.ood.rejector import Rejector
from lesion_core.ood.scores import Scorer, offered
from lesion_core.runs.classifier import Run, open_run, write_config
from lesion_core.serving.classifier import AT_ONCE, Engine
from lesion_core.serving.results import Prediction
from lesion_core.serving.single_flight import SingleFlightCache


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    return [make_lesion(code, seed, size=64).image for seed, code in enumerate(("MEL", "NV", "BKL"))]


def test_the_known_answer_is_given(engine: Engine, small_run: Run) -> None:
    image, logits = small_run.golden
    np.testing.assert_allclose(engine.predict(image).logits, logits, atol=1e-4)


def test_a_prediction_is_consistent(engine: Engine, small_run: Run, images: list[np.ndarray]) -> None:
    for image in images:
        p = engine.predict(image)
        expected = softmax(p.logits[None].astype(float), small_run.calibration.temperature)[0]
        np.testing.assert_allclose(p.probabilities, expected)
        assert p.classes == small_run.classes and p.logits.dtype == np.float32 and p.milliseconds > 0
        assert p.code == p.classes[int(p.logits.argmax())]
        assert p.confidence == p.probabilities.max()
        assert p.decision is None  # the model knows of no policy
        np.testing.assert_array_equal(p.outputs.logits[0], p.logits)


def test_time_in_the_model_is_not_that_of_others(
    small_run: Run, images: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the queue counts nor the processor while it is another's."""
    busy, real, wait = Engine(small_run), Engine._read, 0.5
    backend = busy._backend

    def without_the_processor(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        time.sleep(wait)
        return backend(x)

    monkeypatch.setattr(busy, "_backend", without_the_processor)
    holds, goes = threading.Event(), threading.Event()

    def another() -> None:
        with busy._turns.take():
            holds.set()
            goes.wait(60)

    def queued(self: Engine, squares: np.ndarray) -> list[Prediction]:
        threading.Timer(wait, goes.set).start()
        return real(self, squares)

    monkeypatch.setattr(Engine, "_read", queued)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(another)
        assert holds.wait(60)
        began = time.perf_counter()
        found = busy.predict(images[0])
        assert time.perf_counter() - began > 2 * wait
    assert 0 < found.milliseconds < 1000 * wait / 2


def test_a_picture_scores_live_as_it_is_stored(engine: Engine, small_run: Run, trained: Any) -> None:
    """Its features are projected as those of the run were, so a policy says the same of both."""
    scorer, policy = Scorer.of(small_run), read_policy(small_run)
    assert policy is not None
    judge = Rejector(small_run, policy)
    for i in (0, 7, 31):
        live = engine.predict(decode(Path(trained.collection.table["path"].iloc[i])))
        stored = outputs_of(small_run, small_run.predictions.iloc[[i]])
        np.testing.assert_allclose(live.outputs.reduced, stored.reduced, atol=0.01)
        np.testing.assert_allclose(live.outputs.residual, stored.residual, atol=0.01)
        np.testing.assert_allclose(live.outputs.layer3, stored.layer3, atol=0.01)
        for key in offered(small_run):
            np.testing.assert_allclose(scorer(key, live.outputs), scorer(key, stored), rtol=0.02, atol=0.02)
    for i, path in enumerate(trained.collection.ood["path"][: len(small_run.ood_images)]):
        live = engine.predict(decode(Path(path)))
        frozen = scorer.all(ood_outputs(small_run), policy.parts)
        assert judge.decide(live.outputs)[0].rejected == bool(~keeps(policy, frozen)[i])


@pytest.mark.parametrize("workers", [0, 1])
def test_many_files_are_answered_as_one_by_one(engine: Engine, trained: Any, tmp_path: Path, workers: int) -> None:
    (tmp_path / "cut.jpg").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "note.txt").write_text("no image")
    good = [Path(path) for path in trained.collection.table["path"][: AT_ONCE + 1]]
    paths = [tmp_path / "cut.jpg", *good, tmp_path / "gone.png", tmp_path / "note.txt"]
    found = list(engine.predict_files(paths, workers))
    assert len(found) == len(paths)
    for path, answer in zip(paths, found, strict=True):
        if path not in good:
            assert isinstance(answer, LesionError) and str(path) in answer.problem and answer.remedy
            continue
        alone = engine.predict(decode(path))
        assert isinstance(answer, Prediction) and answer.milliseconds > 0
        np.testing.assert_allclose(answer.logits, alone.logits, atol=1e-4)
        np.testing.assert_allclose(answer.maps, alone.maps, atol=1e-4)
        np.testing.assert_allclose(answer.probabilities, alone.probabilities, atol=1e-5)
        assert answer.code == alone.code
        for name in ("logits", "reduced", "residual", "layer3"):
            np.testing.assert_allclose(getattr(answer.outputs, name), getattr(alone.outputs, name), atol=1e-3)
    assert list(engine.predict_files([])) == []


def test_several_images_get_what_each_gets_alone(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lesion_core.serving.classifier.AT_ONCE", 3)
    rng = np.random.default_rng(3)
    images = [
        rng.integers(0, 256, (h, w, 3), dtype=np.uint8) for h, w in ((40, 60), (33, 33), (64, 48), (1, 1), (90, 20))
    ]
    for one, image in zip(engine.predict_all(images), images, strict=True):
        alone = engine.predict(image)
        assert one.logits == pytest.approx(alone.logits, abs=1e-4) and one.code == alone.code
    assert engine.predict_all([]) == []


@pytest.mark.parametrize("shape", [(17, 200), (450, 600), (1200, 1600), (64, 64)])
def test_pictures_of_any_size_are_read(engine: Engine, shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert np.isfinite(engine.predict(image).logits).all()
    assert engine.explain(image, "MEL").heatmap.shape == (64, 64)


@pytest.mark.parametrize("bad", [np.zeros((64, 64), np.uint8), np.zeros((64, 64, 4), np.uint8), np.zeros((64, 64, 3))])
def test_what_is_no_picture_is_refused(engine: Engine, bad: np.ndarray) -> None:
    with pytest.raises(ImageError):
        engine.predict(bad)
    with pytest.raises(ImageError):
        engine.explain(bad, "MEL")


def test_other_preprocessing_is_refused(engine: Engine, small_run: Run, images: list[np.ndarray]) -> None:
    own = small_run.config.settings.preprocessing
    assert engine.predict(images[0], own).code == engine.predict(images[0]).code
    other = own.model_copy(update={"clahe": Clahe(enabled=True), "mean": (0.5, 0.5, 0.5)})
    with pytest.raises(RunError, match="not that of run small: clahe, mean differ"):
        engine.predict(images[0], other)


def test_unknown_classes_and_layers_list_the_known(engine: Engine, images: list[np.ndarray]) -> None:
    with pytest.raises(RunError, match=r"no class 'AKIEC'.*MEL, NV"):
        engine.explain(images[0], "AKIEC")
    with pytest.raises(ModelError, match=r"no layer 'conv1'"):
        engine.explain(images[0], "MEL", layer="conv1")
    with pytest.raises(RunError, match=r"no class 'AKIEC'"):
        engine.explain(images[0], "MEL", against="AKIEC")
    with pytest.raises(ConfigError, match=r"no method 'lime'"):
        engine.explain(images[0], "MEL", method="lime")


def reseal(folder: Path) -> Run:
    """The run with hashes of its files as they are now, as whoever altered it might write them."""
    return write_config(folder, open_run(folder, verify=False).config)


def test_altered_weights_are_refused(run_copy: Path) -> None:
    path = run_copy / "model.safetensors"
    tensors = load_file(path)
    tensors["fc.bias"] = tensors["fc.bias"] + np.float32(5 * BACKENDS["eager"].tolerance)
    save_file(tensors, path)
    with pytest.raises(RunError, match=r"model\.safetensors of run small was altered"):
        Engine.open(run_copy)
    with pytest.raises(RunError, match=r"does not give its known answer: its logits differ by up to 0\.05"):
        Engine(reseal(run_copy))
    tensors["fc.bias"][0] = np.nan
    save_file(tensors, path)
    with pytest.raises(RunError, match="differ by up to nan"):
        Engine(reseal(run_copy))


def test_weights_of_another_architecture_are_refused(run_copy: Path) -> None:
    config = run_copy / "config.json"
    config.write_text(config.read_text().replace('"resnet10"', '"resnet50"'))
    with pytest.raises(ModelError, match="does not fit the model"):
        Engine(open_run(run_copy))


def test_the_prediction_brings_the_map_of_every_class(engine: Engine, images: list[np.ndarray]) -> None:
    found = engine.predict(images[0])
    for k, code in enumerate(engine.run.classes):
        np.testing.assert_allclose(found.maps[k], engine.explain(images[0], code).raw, atol=1e-5)
        np.testing.assert_array_equal(engine.explain(images[0], code, prediction=found).raw, found.maps[k])
    contrast = engine.explain(images[0], "MEL", against="NV").raw
    np.testing.assert_allclose(contrast, found.maps[0] - found.maps[1], atol=1e-5)


def test_the_same_question_is_answered_from_memory(small_run: Run, images: list[np.ndarray]) -> None:
    engine = Engine(small_run)
    first = engine.explain(images[0], "MEL", method="smoothgrad")
    assert engine.explain(images[0].copy(), "MEL", method="smoothgrad") is first
    assert engine.explain(images[1], "MEL", method="smoothgrad") is not first


def test_answers_are_the_predictions(engine: Engine, images: list[np.ndarray]) -> None:
    squares = np.stack([engine.pipeline.apply(image) for image in images])
    found = engine.answers(squares, "NV")
    predictions = [engine.predict(image) for image in images]
    np.testing.assert_allclose(found, [p.probabilities[1] for p in predictions], atol=1e-5)
    of_two = [p.probabilities[1] / (p.probabilities[0] + p.probabilities[1]) for p in predictions]
    np.testing.assert_allclose(engine.answers(squares, "NV", against="MEL"), of_two, atol=1e-5)


def test_the_map_is_followed_while_the_weights_are_lost(engine: Engine, images: list[np.ndarray]) -> None:
    stages = dict(engine.sanity(images[0], "MEL", layer="layer4"))
    assert list(stages) == list(STAGES)
    assert any(not np.allclose(found.raw, engine.predict(images[0]).maps[0]) for found in stages.values())
    assert engine.predict(images[0]).code, "the served weights are what they were"


@pytest.mark.slow
def test_many_at_once_get_what_one_gets(small_run: Run, images: list[np.ndarray]) -> None:
    """Eight threads with sixty mixed calls each: every answer equals the one that is given alone."""
    engine = Engine(small_run)
    engine._maps = SingleFlightCache(lambda _: 1, 0)  # remember nothing: every call is to be made
    layers = list(LAYERS)
    asks: list[dict[str, str] | None] = [
        None if i % 2 else {"target": engine.run.classes[i % 8], "layer": layers[i % 4]} for i in range(22)
    ] + [{"target": "NV", "method": name} for name in ("integrated_gradients", "guided_gradcam", "smoothgrad")]
    asks.append({"target": "BCC", "stage": "layer4"})
    jobs = [(i % 3, wanted) for i, wanted in enumerate(asks)]

    def ask(job: tuple[int, dict[str, str] | None]) -> np.ndarray:
        picture, wanted = job
        if wanted is None:
            return engine.predict(images[picture]).logits
        if "stage" in wanted:
            return dict(engine.sanity(images[picture], wanted["target"]))[wanted["stage"]].raw
        return engine.explain(images[picture], **wanted).raw

    alone = [ask(job) for job in jobs]
    failures: list[str] = []

    def visitor(number: int) -> None:
        order = np.random.default_rng(number).integers(len(jobs), size=60)
        for i in order:
            try:
                found = ask(jobs[i])
                if not np.allclose(found, alone[i], rtol=1e-3, atol=1e-5):
                    failures.append(f"{jobs[i]} differs by {np.abs(found - alone[i]).max()}")
            except Exception as error:
                failures.append(repr(error))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(visitor, range(8)))
    assert not failures


def test_a_full_queue_is_told_at_once(small_run: Run, images: list[np.ndarray]) -> None:
    narrow = Engine(small_run, queue=1)
    entered, leave = threading.Event(), threading.Event()
    real = narrow._model.fc.forward

    def slow(x: object) -> object:
        entered.set()
        assert leave.wait(60)
        return real(x)

    narrow._model.fc.forward = slow
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(narrow.predict, images[0])
        assert entered.wait(60)
        second = pool.submit(narrow.predict, images[1])
        while narrow._turns._places._value:  # type: ignore[attr-defined]
            threading.Event().wait(0.01)
        with pytest.raises(BusyError, match=r"busy with other visitors.*Try again"):
            narrow.predict(images[2])
        assert narrow.explain(images[2], "MEL").raw.any(), "an explanation has a queue of its own"
        leave.set()
        assert first.result(60).code and second.result(60).code
    narrow._model.fc.forward = real
    assert narrow.predict(images[2]).code, "a place is free again"


def test_a_failed_call_frees_its_place(small_run: Run, images: list[np.ndarray]) -> None:
    narrow = Engine(small_run, queue=0)
    for _ in range(3):
        with pytest.raises(ModelError):
            narrow.explain(images[0], "MEL", layer="none")
    assert narrow.predict(images[0]).code


@pytest.mark.parametrize("method", [name for name, entry in METHODS.items() if entry.slow])
def test_a_slow_map_holds_up_nobody(method: str, small_run: Run, images: list[np.ndarray]) -> None:
    """While one stands still in the middle, with its lock, all that takes a few passes is answered."""
    own = Engine(small_run)
    entered, leave = threading.Event(), threading.Event()

    def stands_still(_: int) -> None:
        entered.set()
        assert leave.wait(120)

    squares = np.stack([own.pipeline.apply(image) for image in images])
    with ThreadPoolExecutor(16) as pool:
        slow = pool.submit(own.explain, images[0], "MEL", method=method, on_pass=stands_still)
        try:
            assert entered.wait(60)
            answers = [pool.submit(own.predict, images[i % 3]) for i in range(30)]
            maps = [
                pool.submit(own.explain, images[i % 3], own.run.classes[i % 8], layer=("layer3", "layer4")[i % 2])
                for i in range(30)
            ]
            curves = pool.submit(own.answers, squares, "MEL")
            assert all(answer.result(60).code for answer in answers)
            assert all(np.isfinite(found.result(60).raw).all() for found in maps)
            assert len(curves.result(60)) == 3
            assert not slow.done()
        finally:
            leave.set()
        assert slow.result(120).raw.any()


def test_answers_beside_a_slow_map_take_not_much_longer_than_alone(small_run: Run, images: list[np.ndarray]) -> None:
    """Superpixels again and again: 30 predictions and 30 maps share the processor with them, they do not queue."""
    own = Engine(small_run)
    seconds: dict[bool, float] = {}
    for busy in (False, True):
        stop = threading.Event()

        def keep_busy(stop: threading.Event = stop) -> None:
            for code in itertools.cycle(own.run.classes):
                if stop.is_set():
                    return
                own._maps = SingleFlightCache(lambda _: 1, 1)
                own.explain(images[0], code, method="superpixels")

        beside = threading.Thread(target=keep_busy)
        if busy:
            beside.start()
        began = time.perf_counter()
        for i in range(30):
            own.predict(images[i % 3])
            own.explain(images[i % 3], own.run.classes[i % 8], layer=("layer2", "layer3")[i // 15])
        seconds[busy] = time.perf_counter() - began
        stop.set()
        if busy:
            beside.join()
    assert seconds[True] < 10 * seconds[False] + 1, seconds
