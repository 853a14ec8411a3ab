"""What becomes of an image under changes: of its answer, and of the policy that should have turned it away in time."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lesion_core.errors import DataError

OUTCOMES = {
    "consistently_correct": "The answer is right for the image as it is and under every change.",
    "correct_then_wrong": "Right for the image as it is, wrong under one change or more.",
    "wrong_then_correct": "Wrong for the image as it is, right under one change or more.",
    "consistently_wrong": "Wrong for the image as it is and under every change.",
}
"""The four outcomes of Young et al. 2021 (npj Digit Med 4:10, caption of Fig. 4c), each in a sentence; their order is
that of the codes of `outcomes`."""

TURNED_AWAY = {
    "in_time": "Rejected at the first severity whose answer is wrong, or before.",
    "too_late": "Wrong at a severity that is still answered; rejected later or never.",
    "for_nothing": "Rejected, and the answer is wrong at no severity.",
    "neither": "Never rejected, and wrong at no severity.",
}
"""Rejection along the severities of a change, each in a sentence; their order is that of the codes of `turned_away`."""


def outcomes(right: ArrayLike) -> NDArray[np.intp]:
    """Young's outcome of each image.

    Args:
        right: (V, N) bool: whether the answer is right, of the image as it is first, and of V - 1 changed forms, V over
            1.

    Returns:
        (N,) place in `OUTCOMES`.

    Raises:
        DataError: Another type, or no changed form.

    Examples:
        >>> right = np.array([[True, True, False, False], [True, False, True, False], [True, True, False, False]])
        >>> outcomes(right).tolist()
        [0, 1, 2, 3]
    """
    r = _checked(right)
    first, every, some = r[0], r[1:].all(axis=0), r[1:].any(axis=0)
    return np.where(first, np.where(every, 0, 1), np.where(some, 2, 3)).astype(np.intp)


def first(which: ArrayLike) -> NDArray[np.intp]:
    """(S, N) bool to (N,): the first row that is true, S where none is.

    Examples:
        >>> first(np.array([[False, True], [False, False]])).tolist()
        [2, 0]
    """
    w = np.asarray(which)
    return np.where(w.any(axis=0), w.argmax(axis=0), len(w)).astype(np.intp)


def turned_away(right: ArrayLike, kept: ArrayLike) -> NDArray[np.intp]:
    """Whether a policy rejects each image before its answer goes wrong.

    With s_wrong the first severity whose answer is wrong and s_out the first that is rejected (never is after the
    last): in time where ``s_out <= s_wrong``, too late where ``s_out > s_wrong``.

    Args:
        right: (S, N) bool by severity, the image as it is first.
        kept: (S, N) bool: the policy lets it be answered.

    Returns:
        (N,) place in `TURNED_AWAY`.

    Raises:
        DataError: Another type, or the shapes do not fit.

    Examples:
        >>> right = np.array([[True, True, True, True], [False, False, True, True]])
        >>> kept = np.array([[True, True, True, True], [False, True, False, True]])
        >>> turned_away(right, kept).tolist()
        [0, 1, 2, 3]
    """
    r, k = _checked(right), _checked(kept)
    if r.shape != k.shape:
        raise DataError(f"Results of shape {r.shape} and {k.shape} do not fit.", "Give both for the same images.")
    wrong, out = first(~r), first(~k)
    never_wrong, never_out = wrong == len(r), out == len(r)
    return np.where(never_wrong, np.where(never_out, 3, 2), np.where(out <= wrong, 0, 1)).astype(np.intp)


def _checked(values: ArrayLike) -> NDArray[np.bool_]:
    v = np.asarray(values)
    if v.ndim != 2 or len(v) < 2 or v.dtype != np.bool_:
        raise DataError(
            f"Results of shape {v.shape} and type {v.dtype} are not those of images and their changed forms.",
            "Give booleans, the images as they are in the first row.",
        )
    return v
