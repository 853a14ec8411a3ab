"""Reports: everything is in them, nothing is fetched, and nothing that a person typed is taken for markup."""

from __future__ import annotations

import base64
import re
from dataclasses import fields, replace
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
import reportlab.rl_config
from hypothesis import given
from hypothesis import strategies as st

from lesion_core.foreign_text import visible
from lesion_core.reports.disclaimer import DISCLAIMER
from lesion_core.reports.picture import LONGEST_SIDE, Report, report_html, report_pdf

PICTURE = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
REPORT = Report(
    title="A mole <script>alert(1)</script> & more",
    made="22 November 2026",
    answer="Melanoma (MEL), malignant, 81 %",
    reason="The model's confidence 0.81 is at least 0.40.",
    plain="A cancer of the pigment cells.",
    pictures=(("the image", PICTURE), ("the map", PICTURE[:, ::-1])),
    probabilities=(("MEL", 0.81), ("NV", 0.15), ("BKL", 0.04)),
    facts=(("Run", "small"), ("Mask", "12 %")),
    limits=("It can be wrong.",),
)


class Parser(HTMLParser):
    """Tags with their attributes, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_says_everything_and_needs_nothing_else() -> None:
    page = Parser(report_html(REPORT))
    for said in (
        REPORT.title,
        REPORT.made,
        DISCLAIMER,
        REPORT.answer,
        REPORT.reason,
        REPORT.plain,
        "81.0 %",
        "melanoma",
        "malignant",
        "small",
        "It can be wrong.",
    ):
        assert said in page.text, said
    assert sum(tag == "th" for tag, _ in page.tags) == 5 + len(REPORT.facts), "tables have heads for a screen reader"
    assert "<p></p>" not in report_html(replace(REPORT, reason=""))
    assert not [tag for tag, _ in page.tags if tag in {"script", "link", "iframe"}]
    sources = [str(attributes["src"]) for tag, attributes in page.tags if tag == "img"]
    assert len(sources) == 2 and all(source.startswith("data:image/png;base64,") for source in sources)
    assert not re.search(r"https?://", report_html(REPORT))


@given(data=st.data())
def test_nothing_that_is_put_in_becomes_markup(data: st.DataObject) -> None:
    """Every text of a report, whatever it holds, is text in the page, and in attributes."""
    said = st.text(st.sampled_from("<>&\"'/{}%= aà"), min_size=1, max_size=12)

    def put(value: object) -> object:
        if isinstance(value, str):
            return "(" + data.draw(said) + ")"
        if isinstance(value, tuple):
            return tuple(put(part) for part in value)
        return value

    texts = {f.name: put(getattr(REPORT, f.name)) for f in fields(Report) if f.name != "probabilities"}
    plain, page = Parser(report_html(REPORT)), Parser(report_html(replace(REPORT, **texts)))  # type: ignore[arg-type]
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    assert [sorted(a) for _, a in page.tags] == [sorted(a) for _, a in plain.tags]

    def strings(value: object) -> list[str]:
        return (
            [value]
            if isinstance(value, str)
            else [s for v in value for s in strings(v)]
            if isinstance(value, tuple)
            else []
        )

    assert all(text in page.text for text in strings(tuple(texts.values())))
    assert [a["alt"] for tag, a in page.tags if tag == "img"] == [caption for caption, _ in texts["pictures"]]  # type: ignore[attr-defined]


def test_the_pictures_in_the_page_are_the_pictures() -> None:
    sources = [a["src"] for tag, a in Parser(report_html(REPORT)).tags if tag == "img"]
    for source, (_, image) in zip(sources, REPORT.pictures, strict=True):
        data = np.frombuffer(base64.b64decode(str(source).partition(",")[2]), np.uint8)
        assert np.array_equal(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB), image)


def test_large_pictures_are_made_small() -> None:
    big = replace(REPORT, pictures=(("big", np.zeros((3000, 1500, 3), np.uint8)),))
    source = next(a["src"] for tag, a in Parser(report_html(big)).tags if tag == "img")
    data = np.frombuffer(base64.b64decode(str(source).partition(",")[2]), np.uint8)
    assert cv2.imdecode(data, cv2.IMREAD_COLOR_RGB).shape == (LONGEST_SIDE, LONGEST_SIDE // 2, 3)


def test_the_pdf_is_one_with_the_pictures_in_it() -> None:
    data = report_pdf(REPORT)
    assert data.startswith(b"%PDF-") and data.rstrip().endswith(b"%%EOF")
    assert data.count(b"/Subtype /Image") == 2


@pytest.mark.parametrize(
    "name",
    ["Übersicht – 5 €.png", "病変 Ł.png", "\U0001f600", "\u202egnp.exe", "a\nb", "?", "<b>&amp;", "(a) \\u75c5"],
)
def test_every_letter_of_a_name_can_be_read(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the PDF, whose fonts have 218 letters, the others stand as their codes, not as question marks."""
    monkeypatch.setattr(reportlab.rl_config, "pageCompression", 0)
    odd = replace(REPORT, title=name, facts=(("File", name),))
    assert Parser(report_html(odd)).text.count(visible(name)) == 3, "in the title, the head and the facts"
    drawn = re.findall(rb"\(((?:[^()\\]|\\.)*)\) Tj", report_pdf(odd))
    lines = [re.sub(rb"\\([0-7]{3})", lambda m: bytes([int(m[1], 8)]), line) for line in drawn]
    said = "".join(re.sub(rb"\\([()\\])", rb"\1", line).decode("cp1252") for line in lines)
    written = "".join(
        c
        if c.encode("cp1252", "ignore")
        else f"\\{'U' if ord(c) > 0xFFFF else 'u'}{ord(c):0{8 if ord(c) > 0xFFFF else 4}x}"
        for c in visible(name)
    )
    assert said.replace(" ", "").count(written.replace(" ", "")) == 2, (
        "drawn in pieces, between which blanks may be lost"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"pictures": ()},
        {"facts": ()},
        {"limits": ()},
        {"reason": ""},
        {"title": "Ł 痣 \U0001f600 <b>"},
        {"pictures": (("thin", np.zeros((1, 900, 3), np.uint8)), ("tall", np.zeros((900, 1, 3), np.uint8)))},
        {"answer": "x" * 3000},
        {"probabilities": (("MEL", 1.0),)},
        {"pictures": (("one", PICTURE),)},
        {"pictures": tuple((str(i), PICTURE) for i in range(5))},
        {"pictures": tuple((f"tall {i} " + 60 * "word ", np.zeros((900, 300, 3), np.uint8)) for i in range(4))},
    ],
)
def test_odd_reports_are_written_too(change: dict[str, object]) -> None:
    odd = replace(REPORT, **change)  # type: ignore[arg-type]
    assert report_html(odd).rstrip().endswith("</html>") and report_pdf(odd).startswith(b"%PDF-")
