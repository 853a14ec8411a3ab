"""Settings: strict, frozen, JSON both ways, and errors in one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lesion_core.config import (
    Clahe,
    ColorConstancy,
    DarkCorner,
    Detail,
    HairRemoval,
    ModelSettings,
    Preprocessing,
    Resize,
    RunSettings,
    SplitSettings,
    Training,
)
from lesion_core.errors import ConfigError

RUN = RunSettings(name="r", model=ModelSettings(classes=("MEL", "NV")))

PREPROCESSING = st.builds(
    Preprocessing,
    dark_corner=st.builds(DarkCorner, enabled=st.booleans(), darkness=st.integers(1, 120)),
    hair=st.builds(HairRemoval, enabled=st.booleans(), kernel=st.floats(0.01, 0.2), threshold=st.integers(1, 100)),
    color=st.builds(ColorConstancy, enabled=st.booleans(), power=st.integers(1, 20)),
    clahe=st.builds(Clahe, enabled=st.booleans(), clip_limit=st.floats(0.5, 10)),
    detail=st.builds(Detail, enabled=st.booleans(), short_side=st.integers(16, 2048), quality=st.integers(1, 100)),
    resize=st.builds(Resize, size=st.integers(16, 1024), fit=st.sampled_from(["crop", "pad", "stretch"])),
)


@given(PREPROCESSING)
def test_json_both_ways(settings: Preprocessing) -> None:
    again = Preprocessing.from_json(settings.to_json())
    assert again == settings and again.fingerprint() == settings.fingerprint()


@given(PREPROCESSING, PREPROCESSING)
def test_a_fingerprint_is_the_settings(a: Preprocessing, b: Preprocessing) -> None:
    assert (a.fingerprint() == b.fingerprint()) == (a == b)


@given(PREPROCESSING)
def test_the_sentence_names_the_steps_that_are_on(settings: Preprocessing) -> None:
    steps = {
        "dark corners": settings.dark_corner,
        "hair": settings.hair,
        "constancy": settings.color,
        "contrast": settings.clahe,
        "JPEG": settings.detail,
    }
    assert {word for word in steps if word in settings.sentence} == {w for w, step in steps.items() if step.enabled}
    assert settings.sentence.endswith(f"{settings.resize.fit} to {settings.resize.size} px.")


def test_a_run_survives_its_file(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text(RUN.to_json())
    assert RunSettings.read(path) == RUN
    with pytest.raises(ConfigError, match="no settings file"):
        RunSettings.read(tmp_path / "other.json")
    with path.open("r+b") as file:
        file.truncate(2**40)  # takes no room
    with pytest.raises(ConfigError, match="has 1,048,576 MiB, and settings may have 16"):
        RunSettings.read(path)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        RUN.name = "other"  # type: ignore[misc]


def changed(**changes: Any) -> str:
    """The run's JSON with dotted fields set."""
    value = json.loads(RUN.to_json())
    for dotted, new in changes.items():
        here = value
        *path, last = dotted.split("__")
        for part in path:
            here = here[part]
        here[last] = new
    return json.dumps(value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"surprise": 1}, "surprise"),
        ({"training__epoch": 3}, r"training\.epoch"),
        ({"training__epochs": "3"}, r"training\.epochs"),
        ({"training__epochs": 0}, r"training\.epochs"),
        ({"training__sizes": [64, 8]}, r"training\.sizes\.1"),
        ({"training__learning_rate": float("nan")}, r"training\.learning_rate"),
        ({"training__optimizer": "lion"}, "optimizer.*adamw"),
        ({"training__label_smoothing": 1.0}, "label_smoothing"),
        ({"preprocessing__std": [0.2, 0.0, 0.2]}, r"preprocessing\.std\.1"),
        ({"preprocessing__mean": [0.2, float("inf"), 0.2]}, r"preprocessing\.mean\.1"),
        ({"preprocessing__resize__size": 8}, r"preprocessing\.resize\.size"),
        ({"model__classes": ["MEL"]}, r"model\.classes"),
        ({"model__classes": ["MEL", "MEL"]}, "named twice"),
        ({"split__test": 0.8}, "under 5 % for train"),
        ({"name": "../elsewhere"}, "name"),
        ({"name": "a b"}, "name"),
        ({"name": "run\n"}, "name"),
        ({"name": ""}, "name"),
    ],
)
def test_bad_settings_name_the_field(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        RunSettings.from_json(changed(**changes), "mine.json")
    assert str(caught.value).startswith("mine.json: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", b"\xff\xfe", '{"name": '])
def test_what_is_no_object_is_refused(text: str | bytes) -> None:
    with pytest.raises(ConfigError, match=r"mine\.json"):
        RunSettings.from_json(text, "mine.json")


def test_shares_leave_something_to_train_on() -> None:
    SplitSettings(select=0.3, calibrate=0.3, test=0.3)
    with pytest.raises(ValidationError):
        SplitSettings(select=0.3, calibrate=0.3, test=0.35)


def test_defaults_are_within_their_own_limits() -> None:
    for kind in (DarkCorner, HairRemoval, ColorConstancy, Clahe, Resize, Preprocessing, SplitSettings, Training):
        assert kind.from_json(kind().to_json()) == kind()


@pytest.mark.parametrize("long", ["x" * 10**6, "\x1b]0;title\x07" * 1000, "\u202e\n" * 1000, "name " * 10**4])
def test_foreign_text_in_a_sentence_on_settings_is_short_and_harmless(long: str) -> None:
    settings = json.loads(RUN.to_json())
    for changes in ({long: 1}, {"model": {**settings["model"], long: 1}}, {"training": {"seed": long}}):
        with pytest.raises(ConfigError) as caught:
            RunSettings.from_json(json.dumps({**settings, **changes}), "mine.json")
        assert len(str(caught.value)) < 500 and str(caught.value).isprintable()
