"""Does the answer hang on the size and compression of a file? python -m benchmarks.resolution RUN SMALL LARGE

SMALL and LARGE are folders with the same images under the same names, such as an archive's thumbnails and its files
at full size. The run is asked about both, without equal detail and with it, whichever it ships with.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np

from lesion_core.analysis.intervals import clopper_pearson
from lesion_core.analysis.metrics import softmax
from lesion_core.data.pictures import is_picture
from lesion_core.inference.classifier import infer
from lesion_core.models.classifiers import trained
from lesion_core.runs.classifier import open_run


def main() -> None:
    """Compare the two folders, print."""
    folder, small, large = map(Path, sys.argv[1:4])
    run = open_run(folder)
    settings = run.config.settings
    model = trained(settings.model, run.weights)
    names = sorted(path.name for path in large.iterdir() if is_picture(path) and (small / path.name).is_file())
    role = run.predictions.drop_duplicates("image_id").set_index("image_id")["split"]
    roles = Counter(str(role.get(Path(name).stem, "not of the run")) for name in names)
    print(f"{run.name}, n {len(names)} images: {', '.join(f'{n} {split}' for split, n in roles.most_common())}")
    for enabled in (False, True):
        preprocessing = settings.with_detail(enabled).preprocessing
        logits = (infer(model, preprocessing, [str(where / name) for name in names]).logits for where in (small, large))
        p, q = (softmax(each, run.calibration.temperature) for each in logits)
        same = clopper_pearson(int((p.argmax(1) == q.argmax(1)).sum()), len(names))
        print(
            f"\n{'With' if enabled else 'Without'} equal detail: the same answer to {100 * same.value:.1f} % "
            f"({100 * same.low:.1f} to {100 * same.high:.1f}), {100 * np.abs(p - q).sum(1).mean() / 2:.1f} % of the "
            "probability moves"
        )
        for k, code in enumerate(run.classes):
            print(f"  {code:5} mean probability {p[:, k].mean():.3f} small, {q[:, k].mean():.3f} large")


if __name__ == "__main__":
    main()
