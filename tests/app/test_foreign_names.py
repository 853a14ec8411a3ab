"""Names that are not ours, on every page and in all that it draws: they are read letter by letter.

A data folder, a run, uploads and links are made whose names are markdown, HTML, formulas, emoji, other scripts and
marks that turn the direction of writing. Every element of every page is then searched for them by the way it is
drawn (`DRAWN`): markdown is read with a CommonMark parser, charts by Plotly's rules, tables as a spreadsheet would.
"""

from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import cv2
import numpy as np
import pandas as pd
import pytest
from google.protobuf.message import Message
from markdown_it import MarkdownIt
from streamlit.dataframe_util import convert_arrow_bytes_to_pandas_df
from streamlit.testing.v1 import AppTest

from app.foreign_text import chart_text
from app.navigation import GROUPS
from lesion_core.data.splits import roles_fingerprint
from lesion_core.foreign_text import spreadsheet_cell, visible
from lesion_core.runs.classifier import Run
from lesion_core.runs.folder import sha256
from lesion_core.runs.segmenter import SegmenterRun
from tests.app.test_literal_text import REPLACED
from tests.literal import open_page

STEMS = [stem for entries in GROUPS.values() for stem, _, _ in entries]

PAGE = re.compile(rf"({'|'.join(STEMS)})\?")
"""What begins a link to a page."""
MARK = "qz"
"""Is in every strange name, and nowhere else."""
FILES = (
    "mole _qz1_ [qz2](3) $qz4^2$ ~~qz5~~ :smile: <b>x<b> `c` ",
    "=HYPERLINK(qz)",
    "-- # qz 病変 Übersicht :material_home: :material",
    "\u202eqz\u200f\n- a\t:red[b] &amp; www.a.bc me@a.bc",
)
"""Names that a file can have; what is not a file may have a slash too."""
UPLOADS = tuple(f"{name}.png" for name in (*FILES, "a/<b>qz</b> :material/home: ![x](http://a.bc/d)"))
KINDS = (*FILES, "2026-11-29", "1e5")
"""The last ones a chart takes for a date and a number unless it is told."""
RUN = "www.qz_run_.a--b_c_"
"""As strange as a run's name can be."""
COLUMN = "qz _col_ <b>|$x$"


def strange(i: int, text: str = "") -> str:
    """One of the names, with a text behind it that tells it from others."""
    return f"{FILES[i % len(FILES)]}{text}"


# A world of strange names -------------------------------------------------------------------------------------


class World:
    """The data folder and the run, and every name in them."""

    def __init__(self, root: Path, data: Path, run: Run, segmenter: SegmenterRun) -> None:
        self.data, self.runs, self.names = root / "data", root / "runs", set[str]()
        self.ids: dict[str, str] = {}
        self._make_data(data)
        self._make_run(run)
        shutil.copytree(segmenter.folder, self.runs / segmenter.name)
        rewrite(self.runs / segmenter.name / "masks.parquet", self._renamed)
        broken = self.runs / self.known(strange(0, "run"))
        broken.mkdir()
        (broken / "config.json").write_text("{")

    def known(self, name: str) -> str:
        """Remember a name that was given."""
        self.names.add(name)
        return name

    def image_id(self, old: str) -> str:
        return self.ids.setdefault(old, self.known(strange(len(self.ids), old)))

    def _make_data(self, source: Path) -> None:
        shutil.copytree(source / "synthetic", self.data / "set")
        for path in sorted((self.data / "set").glob("HAM10000_*/*")):
            old, mask, _ = path.stem.partition("_segmentation")
            path.rename(path.with_name(f"{self.image_id(old)}{mask}{path.suffix}"))
        for path in (self.data / "set").glob("*.csv"):
            table = self._renamed(pd.read_csv(path))
            table[self.known(COLUMN)] = self.known("<i>qz</i>")
            table.to_csv(path, index=False)
        for i, kind in enumerate(KINDS):
            folder = self.data / "ood" / self.known(kind)
            folder.mkdir(parents=True)
            pixels = np.random.default_rng(i).integers(0, 256, (48, 80, 3), dtype=np.uint8)
            (folder / f"{self.known(strange(i, 'ood'))}.png").write_bytes(cv2.imencode(".png", pixels)[1].tobytes())

    def _renamed(self, table: pd.DataFrame) -> pd.DataFrame:
        """A table with strange ids and facts."""
        table = table.copy()
        for name in {"image_id", "image"} & set(table):
            table[name] = [self.image_id(old) for old in table[name]]
        for name in {"lesion_id", "localization", "anatom_site_general", "site", "dx_type"} & set(table):
            there = sorted(table[name].dropna().unique())
            table[name] = table[name].map({value: self.known(strange(i, value)) for i, value in enumerate(there)})
            self.names.update(name.lower() for name in table[name].dropna())  # sites are compared in small letters
        return table

    def _make_run(self, run: Run) -> None:
        folder = Path(shutil.copytree(run.folder, self.runs / self.known(RUN)))
        (folder / "policy.json").unlink(missing_ok=True)

        def facts(table: pd.DataFrame) -> pd.DataFrame:
            sets = [self.known(f"{KINDS[i % len(KINDS)]}set") for i in range(len(table))]
            return self._renamed(table).assign(dataset=sets)

        def kinds(table: pd.DataFrame) -> pd.DataFrame:
            far = table["source"] == "data folder"
            kind = table["kind"].mask(far, [KINDS[i % len(KINDS)] for i in range(len(table))])
            image = table["image_id"].str.partition("/")[2]
            names = [
                strange(i, "ood") if is_far else self.image_id(old)
                for i, (old, is_far) in enumerate(zip(image, far, strict=True))
            ]
            return table.assign(kind=kind, image_id=kind + "/" + names)

        rewrite(folder / "predictions.parquet", facts)
        rewrite(folder / "ood.parquet", kinds)
        config = json.loads((folder / "config.json").read_text())
        config["settings"]["name"] = RUN
        roles = pd.read_parquet(folder / "predictions.parquet").rename(columns={"split": "role"})
        config["split_fingerprint"] = roles_fingerprint(roles)
        (folder / "config.json").write_text(json.dumps(config))


def rewrite(path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Change a table of a run, as the run's own program would have written it."""
    change(pd.read_parquet(path)).to_parquet(path)
    config = json.loads((path.parent / "config.json").read_text())
    config["files"][path.name] = sha256(path)
    (path.parent / "config.json").write_text(json.dumps(config))


# How each text of an element is drawn -------------------------------------------------------------------------


def rest(text: str, names: set[str], escape: Callable[[str], str] = visible) -> str:
    """A text as it is drawn, without the names that stand in it letter by letter."""
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(escape(name), "")
    return text


def markdown(source: str, names: set[str]) -> None:
    """Markdown, as Streamlit reads it: CommonMark, strikethrough, formulas; emoji and arrows are replaced later."""
    if MARK not in source:
        return
    source = re.sub(r"^:material/\w+: ", "", source)  # our own icon before a sentence
    assert ":material/" not in source, "an icon"
    assert not re.search(r"(?<!\\)\$", re.sub(r"(?ms)^```$.*?^```$", "", source)), "a formula"  # code has none
    said = []
    for block in MarkdownIt("commonmark", {"html": True}).enable(["strikethrough", "table"]).parse(source):
        for token in block.children or ():
            said.append(token.content if token.type in ("text", "text_special", "code_inline") else "\0")
            assert token.type == "code_inline" or not REPLACED.search(token.content), "an emoji, an arrow or a link"
    # Bold type and the like of our own sentences may stand around a name, never in it.
    left = rest("".join(said), {name.strip(" ") for name in names})
    assert MARK not in left, f"not letter by letter: {left!r}"


def plain(text: str, names: set[str]) -> None:
    """A text that nothing reads: only what cannot be seen is a trap."""
    assert visible(text) == text, "letters that cannot be seen"
    # Blanks at the end of a text are not seen, so they may go.
    assert MARK not in rest(text, names | {name.rstrip(" ") for name in names}), "not letter by letter"


def address(text: str, names: set[str]) -> None:
    """A link, or its part behind the question mark: it must give back what was put in."""
    if MARK not in text:
        return
    given = parse_qsl(urlsplit(text).query if "?" in text else text, strict_parsing=True)
    assert not any(MARK in rest(value, names, str) for _, value in given), "not what was put in"


def texts(node: Any) -> Iterator[str]:
    """Every text in what JSON holds, but for data in base 64."""
    if isinstance(node, str) and not node.startswith("data:"):
        yield node
    elif isinstance(node, dict):
        yield from texts([child for key, child in node.items() if key != "bdata"])
    elif isinstance(node, list):
        for child in node:
            yield from texts(child)


def component(source: str, names: set[str]) -> None:
    """What a component of our own is given: its script writes texts, no markup."""
    for text in texts(json.loads(source)):
        (address if PAGE.match(text) else plain)(text, names)


def chart(spec: str, names: set[str]) -> None:
    """A Plotly figure: its texts take tags, its axes take numbers and dates out of names."""
    figure = json.loads(spec)

    for text in texts(figure):
        if MARK in html.unescape(text):
            assert MARK not in rest(text, names, chart_text), f"not letter by letter: {text!r}"
    for trace in figure["data"]:
        for letter in "xy":
            values = trace.get(letter)
            if isinstance(values, list) and any(value in names for value in map(html.unescape, texts(values))):
                axis = figure["layout"].get(trace.get(f"{letter}axis", letter).replace(letter, f"{letter}axis", 1), {})
                assert axis.get("type") == "category", f"names on the axis {letter} can be read as numbers or dates"


def table(found: pd.DataFrame, names: set[str]) -> None:
    """A table, whose toolbar hands it out as CSV: no spreadsheet computes a cell."""
    index = found.index if found.index.inferred_type == "string" else ()
    for cell in (*found.columns, *index, *found.select_dtypes(exclude="number").to_numpy().ravel()):
        if isinstance(cell, str):
            assert spreadsheet_cell(cell) == cell, f"a formula, or letters that cannot be seen: {cell!r}"
            if PAGE.match(cell):
                address(cell, names)
            else:
                assert MARK not in rest(cell, names), f"not letter by letter: {cell!r}"


Check = Callable[[str, set[str]], None]
DRAWN: dict[str, Check] = {
    **dict.fromkeys(("label", "help", "body", "caption", "value", "delta", "text", "content", "placeholder"), markdown),
    **dict.fromkeys(
        ("alt", "options", "raw_value", "raw_values", "default_values", "set_value", "name", "code_text"), plain
    ),
    **dict.fromkeys(("url", "query_string"), address),
    "spec": chart,
    "json": component,
}
"""By the name of the field in Streamlit's messages."""
UNSEEN = {"id", "element_id", "user_key"}
"""Fields that no person sees."""


def fields(message: Message) -> Iterator[tuple[str, str, Any]]:
    """Every text and table of a message: kind of message, field, content."""
    for field, value in message.ListFields():
        name = message.DESCRIPTOR.name
        for one in value if field.is_repeated else (value,):
            if isinstance(one, Message):
                yield from fields(one)
            elif isinstance(one, str) or (isinstance(one, bytes) and one):
                yield name, field.name, one


def messages(node: Any) -> Iterator[Message]:
    """What a page sends to the browser, in the order of the page."""
    if isinstance(getattr(node, "proto", None), Message):
        yield node.proto
    for child in getattr(node, "children", {}).values():
        yield from messages(child)


def faults(app: AppTest, names: set[str]) -> list[str]:
    """Where a name is not shown letter by letter."""
    found = [f"exception: {e.value}" for e in app.exception]
    for message in messages(app._tree):
        for kind, field, content in fields(message):
            try:
                if isinstance(content, bytes):
                    table(convert_arrow_bytes_to_pandas_df(content), names)
                elif field in DRAWN:
                    DRAWN[field](content, names)
                elif field not in UNSEEN:
                    assert MARK not in content, "say in DRAWN how this field is drawn"
            except AssertionError as error:
                found.append(f"{kind}.{field}: {str(error).splitlines()[0]}: {str(content)[:300]!r}")
    return found


# The walk -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, data_root: Path, small_run: Run, small_segmenter: SegmenterRun
) -> World:
    return World(tmp_path_factory.mktemp("strange"), data_root, small_run, small_segmenter)


@pytest.fixture(autouse=True)
def _in_the_world(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LESION_DATA", str(world.data))
    monkeypatch.setenv("LESION_RUNS", str(world.runs))


def png(seed: int = 0) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    return bytes(cv2.imencode(".png", pixels)[1])


def in_all_tabs(stem: str, names: set[str], **query: str) -> list[str]:
    """What is wrong on a page and in its tabs."""
    first = open_page(stem, **query)
    found = faults(first, names)
    for tab in first.tabs[1:]:
        found += [f"{tab.label}: {fault}" for fault in faults(open_page(stem, tab=tab.label, **query), names)]
    return list(dict.fromkeys(found))


def test_the_world_is_strange() -> None:
    """Otherwise nothing is tested: the names come through the readers and stand on the pages."""
    app = open_page("analyse")
    assert not app.exception and app.selectbox(key="run").value == RUN
    shown = " ".join(app.selectbox(key="image").options)
    assert all(visible(name.strip()) in shown for name in FILES)


@pytest.mark.parametrize("stem", STEMS)
def test_names_of_data_and_runs(stem: str, world: World) -> None:
    found = in_all_tabs(stem, world.names)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("layout", ["ham10000", "isic2019"])
def test_names_of_each_data_set(layout: str, world: World) -> None:
    found = in_all_tabs("dataset", world.names, data=layout)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("beside", ["models", "methods", "classes"])
def test_names_beside_each_other(beside: str, world: World) -> None:
    found = faults(open_page("explain", beside=beside), world.names)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("stem", STEMS)
@pytest.mark.parametrize("name", FILES)
def test_an_image_that_a_link_names(stem: str, name: str, world: World) -> None:
    """By an id that is there, and in every other place of a link by one that is not."""
    image = next(new for new in world.ids.values() if new.startswith(name))
    nonsense = dict.fromkeys(
        ("tab", "score", "target", "method", "data", "lesion", "show", "who", "view", "with"), name
    )
    app = open_page(stem, image=image, **nonsense)
    found = faults(app, {*world.names, name})
    assert not found, "\n".join(found)


@pytest.mark.parametrize("stem", ["analyse", "explain", "segment", "preprocessing"])
@pytest.mark.parametrize("name", UPLOADS)
def test_an_upload(stem: str, name: str, world: World) -> None:
    names = {*world.names, name}
    app = open_page(stem)
    app.file_uploader(key="upload_file").set_value((name, png(), "image/png")).run()
    assert app.selectbox(key="image").value == "upload"
    found = faults(app, names)
    if stem == "analyse":  # a table of what was looked at
        app.selectbox(key="image").set_value("synthetic-NV-1").run()
        found += faults(app, names)
    assert not found, "\n".join(found)
    app = open_page(stem)
    app.file_uploader(key="upload_file").set_value((name, png()[:200], "image/png")).run()
    assert app.warning and not faults(app, names)


def test_uploads_among_scores(world: World) -> None:
    app = open_page("out_of_distribution", tab="Your images")
    files = [(name, png(i), "image/png") for i, name in enumerate(UPLOADS)]
    app.file_uploader(key="ood_uploads_0").set_value([*files, (f"broken {UPLOADS[0]}", b"x", "image/png")]).run()
    found = faults(app, {*world.names, *UPLOADS})
    assert not found, "\n".join(found)


@pytest.mark.parametrize("stem", STEMS)
def test_a_folder_that_is_not_there(stem: str, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LESION_DATA", FILES[0])
    found = faults(open_page(stem), world.names)
    assert not found, "\n".join(found)
