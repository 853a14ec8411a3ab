"""The reader study of a class on the wall: who was right with which help, and who followed a wrong answer."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.figures import lessons as charts
from lesion_core.analysis.intervals import Interval
from lesion_core.analysis.readers import ReaderStudy, reader_study
from lesion_core.teaching.reading import ARMS, Reading
from lesion_core.teaching.tallies import FEWEST

PUBLISHED = (
    "Readers of dermoscopic images diagnosed better with good support than alone, those with the least experience "
    "gained most, and faulty support misled readers of all levels, experts too."
)
SOURCE = "Tschandl et al. 2020, Human-computer collaboration for skin cancer recognition, Nature Medicine 26:1229"
"""Found in the abstract."""
NOT_A_TEST = "This is teaching and not a test of anybody. To publish such answers takes consent and an ethics vote."


def measure(read: Sequence[Sequence[Reading]]) -> ReaderStudy:
    """The figures of a class.

    Args:
        read: For each person, what was read.

    Raises:
        DataError: Nobody has read an image.
    """
    readers = [person for person, own in enumerate(read) for _ in own]
    every = [one for own in read for one in own]
    return reader_study(
        readers,
        [one.arm for one in every],
        [one.truth for one in every],
        [one.answer for one in every],
        [one.said for one in every],
        list(ARMS),
    )


def draw(read: Sequence[Sequence[Reading]]) -> None:
    """The figure, what it says, and what was published."""
    found = measure(read)
    rows = [
        _row(f"{what if arm == 'alone' else '…'} {title}", shares[arm], arm == "alone")
        for what, shares in (("right", found.accuracy), ("said the model's error", found.followed))
        for arm, title in ARMS.items()
    ]
    first, *others = sentences(found) or ["Too few people have come far enough."]
    st.markdown(f"#### {first}")
    st.plotly_chart(
        charts.intervals(rows, "share of the images that were read"),
        config={"displayModeBar": False},
        key="reader study",
        alt="Accuracy and share of followed wrong answers, alone, with the answer, and with answer and map.",
    )
    for sentence in others:
        st.markdown(sentence)
    alone, errors = found.accuracy["alone"], found.followed["alone"]
    st.caption(
        f"Of {alone.n_groups} people, alone {alone.n_images} images, {errors.n_images} of which the model gets wrong. "
        "A dot is a share over the class, its bar the 95 % confidence interval over people, whose answers hang "
        "together. Each image comes in every arm; the model's wrong answers are mistakes that it really makes. "
        "Alone nobody saw them: who says the same there would have said it anyway."
    )
    st.markdown(f"**Published.** {PUBLISHED}")
    st.caption(f"{SOURCE}. {NOT_A_TEST}")


def sentences(found: ReaderStudy) -> list[str]:
    """What the study says: what help gave, and what it cost where it was wrong; nothing of arms that few have read."""
    told = []
    alone, helped = found.accuracy["alone"], found.accuracy["answer"]
    if not few(alone) and not few(helped):
        told.append(f"Right alone in **{_per_cent(alone)}**, with the model's answer in **{_per_cent(helped)}**.")
    before = found.followed["alone"]
    for arm, title in ARMS.items():
        own, reliance = found.followed[arm], found.reliance.get(arm)
        if reliance is not None and not few(own) and not few(before):
            told.append(
                f"Where the model was wrong, **{_per_cent(own)}** said the same {title}, and {_per_cent(before)} "
                f"alone: {100 * reliance.value:+.0f} points ({100 * reliance.low:+.0f} to {100 * reliance.high:+.0f})."
            )
    return told


def few(found: Interval) -> bool:
    """Whether so few people have read that nothing is told of them."""
    return found.n_groups < FEWEST


def _per_cent(found: Interval) -> str:
    return f"{100 * found.value:.0f} %"


def _row(name: str, found: Interval, pale: bool) -> charts.Row:
    if few(found):
        return charts.Row(name, (float("nan"),) * 3, f"under {FEWEST} people", pale)
    told = f"{_per_cent(found)} ({100 * found.low:.0f} to {100 * found.high:.0f})"
    return charts.Row(name, (found.value, found.low, found.high), told, pale)
