"""What the changes cost and how far they lead: python -m benchmarks.changes [IMAGES]

Milliseconds of one core by severity, the root mean square distance to the original in grey levels, and the share of the
images whose distance grows with every severity, over images of 600 x 450: those of ``ham10000_600x450`` under
`LESION_DATA`, or else synthetic ones.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import cv2
import numpy as np

from lesion_core.data.synthetic.lesions import gallery
from lesion_core.imaging.arrays import Pixels
from lesion_core.imaging.changes.registry import CHANGES, SEVERITIES, change
from lesion_core.imaging.changes.sequences import FRAMES, SEQUENCES, frame
from lesion_core.imaging.decode import decode


def images(count: int) -> dict[str, Pixels]:
    """Images of 600 x 450 by id."""
    folder = Path(os.environ.get("LESION_DATA", "."), "ham10000_600x450")
    if files := sorted(folder.glob("*.jpg"))[:count]:
        return {file.stem: decode(file) for file in files}
    return {f"synthetic-{i}": lesion.image for i, lesion in enumerate(gallery(count, size=(450, 600)))}


def main() -> None:
    """Print one line per change, their sum, and one line per sequence."""
    cv2.setNumThreads(1)
    shown = images(int(sys.argv[1]) if len(sys.argv) > 1 else 6)
    for key in CHANGES:  # tables and fonts are made once
        change(next(iter(shown.values())), key, 3, "warm")
    total = np.zeros(len(SEVERITIES))
    print(f"{len(shown)} images, one core\n{'change':18}{'ms, severity 1 to 5':32}{'RMS':40}grows")
    for key in CHANGES:
        ms, far = np.zeros((2, len(shown), len(SEVERITIES)))
        for i, (image_id, image) in enumerate(shown.items()):
            for severity in SEVERITIES:
                start = time.process_time()
                changed = change(image, key, severity, image_id).image
                ms[i, severity - 1] = 1000 * (time.process_time() - start)
                far[i, severity - 1] = np.sqrt(np.mean((changed.astype(np.float32) - image) ** 2))
        grows = (np.diff(far, axis=1, prepend=0) > 0).all(1).mean()
        typical = np.median(ms, 0)
        total += typical
        columns = "".join(f"{v:6.1f}" for v in typical) + "  " + "".join(f"{v:7.1f}" for v in far.mean(0))
        print(f"{key:18}{columns}   {grows:6.2f}")
    print(f"{'all ' + str(len(CHANGES)):18}" + "".join(f"{v:6.0f}" for v in total))
    print("\nsequence: ms per frame, the median of all 31")
    image_id, image = next(iter(shown.items()))
    for key in SEQUENCES:
        took = []
        for i in range(FRAMES):
            start = time.process_time()
            frame(image, key, i, image_id)
            took.append(1000 * (time.process_time() - start))
        print(f"{key:18}{np.median(took):6.1f}")


if __name__ == "__main__":
    main()
