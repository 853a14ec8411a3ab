"""Settings as JSON: written in other ways, with odd values, fields that are not there, and no JSON at all."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lesion_core.cli.options import read_settings
from lesion_core.config import RunSettings, SegmenterRunSettings, Settings
from tests.mutations.data_joins import HOSTILE
from tests.mutations.oracle import Input, Make, Part

Rng = np.random.Generator
Path_ = tuple[str | int, ...]

CLASSIFIER: dict[str, Any] = {
    "name": "a-run",
    "model": {"architecture": "resnet50", "classes": ["MEL", "NV", "BCC"], "weights": "none", "new_head": False},
    "preprocessing": {
        "dark_corner": {"enabled": True, "darkness": 30},
        "hair": {"enabled": False, "kernel": 0.03, "threshold": 12, "radius": 0.01},
        "clahe": {"enabled": True, "clip_limit": 2.5, "tiles": 4},
        "resize": {"size": 128, "fit": "pad"},
        "mean": [0.5, 0.4, 0.3],
        "std": [0.2, 0.25, 0.3],
    },
    "split": {"select": 0.1, "calibrate": 0.1, "test": 0.2, "seed": 3},
    "training": {"epochs": 3, "batch_size": 16, "sizes": [96, 128], "learning_rate": 0.001, "monitor": "select_loss"},
}
SEGMENTER: dict[str, Any] = {
    "name": "a-unet",
    "model": {"encoder": "resnet34", "decoder": [64, 32, 16], "weights": "none"},
    "preprocessing": {"resize": {"size": 160, "fit": "stretch"}, "mean": [0.5, 0.4, 0.3]},
    "training": {"epochs": 3, "artefacts": 0.5, "monitor": "select_loss"},
}
ODD: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, 2**63, 10**400, 0.5, -0.5, 1e308, 1e-320, "", " ", "nan", "NaN", "resnet50",
    "../x", "x" * 10**5, "\x1b[2J", "\0", "\u202e", "\ud800", "=1+1", [], [[]], {}, {"a": 1}, [1] * 1000, ["MEL"],
    ["MEL", "MEL"],
)  # fmt: skip


def leaves(tree: Any, at: Path_ = ()) -> list[Path_]:
    """The ways to all values, the trees among them."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [place for key, value in items for place in ((*at, key), *leaves(value, (*at, key)))]


def with_value(tree: Any, at: Path_, value: Any) -> Any:
    """The tree with another value at one place."""
    other = copy.deepcopy(tree)
    inner = other
    for key in at[:-1]:
        inner = inner[key]
    inner[at[-1]] = value
    return other


def text_of(tree: Any) -> str:
    """JSON, also of what UTF-8 cannot say."""
    return json.dumps(tree)


def same(given: Any, got: Any) -> bool:
    """Whether all that was given is what was understood."""
    if isinstance(given, dict):
        return isinstance(got, dict) and all(key in got and same(value, got[key]) for key, value in given.items())
    if isinstance(given, list):
        return isinstance(got, list) and len(given) == len(got) and all(map(same, given, got))
    return bool(given == got) and isinstance(given, bool) == isinstance(got, bool)


def understood(given: Any) -> Callable[[Any], str | None]:
    def wrong(found: Settings) -> str | None:
        got = found.model_dump(mode="json")
        return None if same(given, got) else f"given {str(given)[:120]}, understood {str(got)[:120]}"

    return wrong


def any_settings(rng: Rng) -> tuple[type[Settings], dict[str, Any]]:
    return ((RunSettings, CLASSIFIER), (SegmenterRunSettings, SEGMENTER))[rng.integers(2)]  # type: ignore[return-value]


def from_text(kind: type[Settings], text: str | bytes, folder: Path, note: str, **oracle: Any) -> Input:
    path = folder / "settings.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
    return Input(lambda: kind.read(path), note=f"{kind.__name__}, {note}", **oracle)


def sound(rng: Rng, folder: Path) -> Input:
    """Other orders, spaces and escapes."""
    kind, tree = any_settings(rng)

    def shuffled(part: Any) -> Any:
        keys = list(part) if isinstance(part, dict) else None
        return {keys[i]: shuffled(part[keys[i]]) for i in rng.permutation(len(keys))} if keys else part

    text = json.dumps(shuffled(tree), indent=(None, 0, 4, "\t")[rng.integers(4)])
    text = text.replace('"name"', '"\\u006eame"') if rng.integers(2) else text
    return from_text(
        kind, text + " \n" * int(rng.integers(3)), folder, "sound", wrong=understood(tree), refusable=False
    )


def odd_value(rng: Rng, folder: Path) -> Input:
    kind, tree = any_settings(rng)
    places = leaves(tree)
    at, value = places[rng.integers(len(places))], ODD[rng.integers(len(ODD))]
    given = with_value(tree, at, value)
    return from_text(kind, text_of(given), folder, f"{at} is {str(value)[:40]!r}", wrong=understood(given))


def literal(rng: Rng, folder: Path) -> Input:
    """Numbers that JSON has not, or that no number of a computer holds."""
    kind, tree = any_settings(rng)
    places = [at for at in leaves(tree) if isinstance(at[-1], str) and not isinstance(_value(tree, at), (dict, list))]
    at = places[rng.integers(len(places))]
    word = ("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 6000, "0x10", "01", "+1", "1.", "'a'", "[" * 10**5,
            "{\"a\":" * 5000, "undefined", "")[rng.integers(15)]  # fmt: skip
    text = text_of(with_value(tree, at, "@@")).replace('"@@"', word)
    return from_text(kind, text, folder, f"{at} is {word[:20]}")


def _value(tree: Any, at: Path_) -> Any:
    for key in at:
        tree = tree[key]
    return tree


def unknown_field(rng: Rng, folder: Path) -> Input:
    kind, tree = any_settings(rng)
    inner = [at for at in [(), *leaves(tree)] if isinstance(_value(tree, at), dict)]
    name = ("Name", "name ", "", "x" * 10**4, "\x07", "__class__", "model_config", "learnig_rate")[rng.integers(8)]
    at = inner[rng.integers(len(inner))]
    return from_text(
        kind, text_of(with_value(tree, (*at, name), ODD[rng.integers(len(ODD))])), folder, f"{at} {name[:20]!r}"
    )


def field_twice(rng: Rng, folder: Path) -> Input:
    """One field with two values: whichever is taken, the other was meant too."""
    kind, tree = any_settings(rng)
    places = [at for at in leaves(tree) if isinstance(at[-1], str)]
    at = places[rng.integers(len(places))]
    one = json.dumps(_value(tree, at))
    text = text_of(with_value(tree, at, "@@"))
    key = json.dumps(at[-1])
    other = json.dumps(tree["name"] + "-2") if at == ("name",) else json.dumps(ODD[rng.integers(14)])
    first, second = (one, other) if rng.integers(2) else (other, one)
    text = text.replace(f'{key}: "@@"', f"{key}: {first}, {key}: {second}")
    return from_text(kind, text, folder, f"{at} twice: {first[:20]}, {second[:20]}")


def broken(rng: Rng, folder: Path) -> Input:
    """Cut off, other bytes, another encoding."""
    kind, tree = any_settings(rng)
    raw = bytearray(text_of(tree).encode())
    what = int(rng.integers(4))
    if what == 0:
        raw = raw[: int(rng.integers(len(raw)))]
    elif what == 1:
        raw[int(rng.integers(len(raw)))] = int(rng.choice((0, 7, 0x7B, 0x7D, 0xFF, 0x22)))
        return from_text(kind, bytes(raw), folder, "a byte changed", wrong=lambda _: None)
    elif what == 2:
        raw = bytearray(rng.bytes(int(rng.integers(0, 300))))
    else:
        raw = raw + raw
    return from_text(kind, bytes(raw), folder, f"broken {what}")


def hostile_text(rng: Rng, folder: Path) -> Input:
    """Text of any length and any letters as a value, as a field's name, as the name of the file or of none: refused, or
    understood as it is; what is said of it is short and can be seen."""
    kind, tree = any_settings(rng)
    text = HOSTILE[rng.integers(len(HOSTILE))]
    places = leaves(tree)
    at, what = places[rng.integers(len(places))], int(rng.integers(5))
    given = with_value(tree, at, (text, [text], {text: text}, text, tree)[what])
    if what == 3 and isinstance(at[-1], str):
        given = with_value(tree, (*at[:-1], text), 1)
    name = "".join(c for c in text if c not in "/\0").encode("utf-8", "replace")[:200].decode(errors="ignore")
    path = folder / f"{name}.json"
    if rng.integers(4):
        path.write_text(text_of(given))
    return Input(lambda: kind.read(path), understood(given), note=f"{kind.__name__}, {at} {what}: {text[:12]!r}")


def encoded(rng: Rng, folder: Path) -> Input:
    """Other encodings than UTF-8: refused, or understood as it was written."""
    kind, tree = any_settings(rng)
    encoding = ("utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252", "cp037")[rng.integers(6)]
    raw = json.dumps(tree, indent=2).encode(encoding)
    return from_text(kind, raw, folder, encoding, wrong=understood(tree))


def nested(rng: Rng, folder: Path) -> Input:
    """Lists and objects in each other, however deep and however many."""
    kind, tree = any_settings(rng)
    places = leaves(tree)
    at, n = places[rng.integers(len(places))], int(rng.choice((3, 100, 900, 3000, 10**5)))
    inner = ("[" * n + "]" * n, '{"a":' * n + "1" + "}" * n, "[" + "1," * n + "1]", "[" + "[]," * n + "[]]",
             '{"' + '":1,"'.join(map(str, range(n))) + '":1}')[rng.integers(5)]  # fmt: skip
    text = text_of(with_value(tree, at, "@@")).replace('"@@"', inner)
    return from_text(kind, text, folder, f"{at}: {n} of {inner[:6]}")


def by_command(rng: Rng, folder: Path) -> Input:
    """The same files by the way of the command line, which reads a run's `config.json` too."""
    makes = (sound, odd_value, literal, unknown_field, field_twice, field_twice, broken, encoded, nested)
    made = makes[rng.integers(len(makes))](rng, folder)
    kind = SegmenterRunSettings if made.note.startswith("SegmenterRunSettings") else RunSettings
    path = folder / "settings.json"
    if rng.integers(2):
        path.write_bytes(b'{"schema": 3, "settings": ' + path.read_bytes() + b"}")
        if made.note.endswith(("utf-16", "utf-16-le", "utf-32", "utf-8-sig")):
            return Input(lambda: read_settings(path, "", kind), note=f"{made.note}, in config.json")
    return replace(made, act=lambda: read_settings(path, "", kind), note=f"{made.note}, by command")


KINDS: dict[str, Make] = {
    make.__name__: make
    for make in (
        sound, odd_value, literal, unknown_field, field_twice, broken, hostile_text, encoded, nested, by_command,
    )
}  # fmt: skip

PART = Part(KINDS)
