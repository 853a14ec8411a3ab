"""The colours of charts in both themes: they are those of the theme's file, and can be read on its grounds."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import plotly.colors
import pytest
from streamlit.elements.lib import streamlit_plotly_theme

from app.figures import elsewhere, results, style, under_changes
from lesion_core.labels import DIAGNOSES

THEMES: dict[str, dict[str, Any]] = tomllib.loads(
    (Path(__file__).parents[2] / "app" / ".streamlit" / "config.toml").read_text(encoding="utf-8")
)["theme"]
TYPES = ("light", "dark")


def luminance(colour: str) -> float:
    """Relative luminance of a colour, in [0, 1] (WCAG 2.2)."""
    numbers = plotly.colors.unlabel_rgb(colour) if colour.startswith("rgb") else plotly.colors.hex_to_rgb(colour)
    levels = np.asarray(numbers) / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str) -> float:
    """Contrast of two colours, 1 to 21 (WCAG 2.2)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.005)  # the well-known near miss


@pytest.mark.parametrize("place", range(2), ids=TYPES)
def test_the_palette_is_the_list_of_the_theme(place: int) -> None:
    assert THEMES[TYPES[place]]["chartCategoricalColors"] == [pair[place] for pair in style.PALETTE.values()]


def test_a_place_in_the_palette_is_what_the_client_replaces() -> None:
    places = [getattr(style, name.upper()) for name in style.PALETTE]
    assert places == [getattr(streamlit_plotly_theme, f"CATEGORY_{i}") for i in range(10)]


@pytest.mark.parametrize("place", range(2), ids=TYPES)
@pytest.mark.parametrize("name", ["ink", "muted", "accent"])
def test_words_of_a_chart_can_be_read_on_every_ground(name: str, place: int) -> None:
    theme = THEMES[TYPES[place]]
    for ground in (theme["backgroundColor"], theme["secondaryBackgroundColor"]):
        assert contrast(style.PALETTE[name][place], ground) >= 4.5


def test_a_diagnosis_can_be_seen_in_the_dark() -> None:
    for colour in (*(entry.colour for entry in DIAGNOSES.values()), *style.SIDES.values()):
        assert contrast(colour, THEMES["dark"]["backgroundColor"]) >= 3


def test_words_in_a_cell_can_be_read_whatever_its_share() -> None:
    counts = [[share, 1000 - share] for share in range(0, 1001, 5)]
    for row in counts:
        (cells,) = results.confusion_matrix([row, [0, 1000]], ("MEL", "NV"), [1000, 1000]).data
        for share, ink in zip(cells.marker.color, cells.textfont.color, strict=True):
            (ground,) = plotly.colors.sample_colorscale(style.SHARES, [share])
            assert contrast(ground, ink) >= 4.5, share


def test_words_can_be_read_whatever_is_lost() -> None:
    for share in np.linspace(0, 1, 41):
        (ground,) = plotly.colors.sample_colorscale(under_changes.LOST, [share])
        assert contrast(ground, style.BLACK) >= 4.5, share


def test_runs_differ_without_their_colours() -> None:
    looks = [style.run_look(place) for place in range(len(style.RUN_LOOKS))]
    for parts in zip(*looks, strict=True):
        assert len(set(parts)) == len(looks)
    for colour, *_ in looks:
        for theme in TYPES:
            assert contrast(colour, THEMES[theme]["backgroundColor"]) >= 3, colour


def test_curves_of_classes_differ_without_their_colours() -> None:
    assert len(set(style.MARKS)) == len(style.MARKS) >= len(DIAGNOSES)


def test_words_on_a_bar_of_two_forms_can_be_read() -> None:
    for _, colour, ink in elsewhere.PARTS.values():
        assert contrast(colour, ink) >= 4.5, colour
