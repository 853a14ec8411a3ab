"""A report of one analysed image: one self-contained HTML file, or a PDF. Made in memory only."""

from __future__ import annotations

import base64
import html
import io
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from lesion_core.foreign_text import visible
from lesion_core.labels import diagnosis
from lesion_core.reports.disclaimer import DISCLAIMER

if TYPE_CHECKING:
    from jinja2 import Template

LONGEST_SIDE = 640
"""Pixels of an image in a report: enough to see, small enough to send."""
TALLEST = 52
"""Millimetres of an image in the PDF: two rows and the probabilities fit its first page."""


@dataclass(frozen=True)
class Report:
    """What a report says.

    Attributes:
        title: The image's title, shown letter by letter.
            made: When, as text.
            answer: One sentence: the diagnosis or UNKNOWN.
            reason: Why it is rejected, or why not; may be empty.
            plain: One sentence on the diagnosis in plain words.
            pictures: Caption and (H, W, 3) uint8 RGB: the image, its contour, its mask, its map.
            probabilities: Code and probability, the most probable first.
            facts: Name and value: the run, the mask, the settings.
            limits: Sentences on what this is worth, and what it is not.
    """

    title: str
    made: str
    answer: str
    reason: str
    plain: str
    pictures: tuple[tuple[str, NDArray[np.uint8]], ...]
    probabilities: tuple[tuple[str, float], ...]
    facts: tuple[tuple[str, str], ...]
    limits: tuple[str, ...]


def _png(image: NDArray[np.uint8]) -> bytes:
    scale = min(1.0, LONGEST_SIDE / max(image.shape[:2]))
    if scale < 1:
        size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return bytes(cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1])


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


@cache
def _template() -> Template:
    """The page, which escapes whatever is put into it."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("lesion_core.reports", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=lambda value: visible(value) if type(value) is str else value,
    )
    environment.filters.update(percent=_percent, png=lambda image: base64.b64encode(_png(image)).decode())
    return environment.get_template("picture.html")


def report_html(report: Report) -> str:
    """The report as one HTML file that needs nothing else: no network, no script."""
    rows = [(diagnosis(code), probability) for code, probability in report.probabilities]
    return _template().render(report=report, rows=rows, disclaimer=DISCLAIMER)


def report_pdf(report: Report) -> bytes:
    """The report as a PDF, A4."""
    # Only this needs it, and it takes a quarter of a second.
    from reportlab.lib.colors import HexColor
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import ParagraphStyle, getSampleStyleSheet
    from reportlab.lib.units import mm
    from reportlab.platypus import Image, ListFlowable, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

    styles = getSampleStyleSheet()
    small = ParagraphStyle("small", parent=styles["BodyText"], fontSize=8, textColor=HexColor("#56676A"))
    box = ParagraphStyle("box", parent=small, backColor=HexColor("#F4F7F6"), borderPadding=6, spaceAfter=10)

    def text(sentence: str, style: ParagraphStyle = styles["BodyText"]) -> Paragraph:
        return Paragraph(html.escape(_latin(sentence), quote=False), style)

    width = A4[0] - 40 * mm
    column = width / 2
    cells: list[object] = []
    for caption, image in report.pictures:
        scale = min((column - 4 * mm) / image.shape[1], TALLEST * mm / image.shape[0])
        drawn = Image(io.BytesIO(_png(image)), image.shape[1] * scale, image.shape[0] * scale, hAlign="LEFT")
        cells.append([drawn, text(caption, small)])
    cells += [""] * (len(cells) % 2)
    pairs = [cells[i : i + 2] for i in range(0, len(cells), 2)]
    lines = TableStyle(
        [
            ("LINEBELOW", (0, 0), (-1, -1), 0.4, HexColor("#E3E8E6")),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("FONTSIZE", (0, 0), (-1, -1), 9),
        ]
    )
    top = TableStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (-1, -1), 0)])
    story = [
        text(report.title, styles["Title"]),
        text(report.made, small),
        text(DISCLAIMER, box),
        text(report.answer, styles["Heading2"]),
        *([text(report.reason)] if report.reason else []),
        text(report.plain),
        Spacer(1, 4 * mm),
        *([Table(pairs, [column] * 2, style=top)] if pairs else []),
        text("Probabilities", styles["Heading2"]),
        Table(
            [[code, diagnosis(code).name, diagnosis(code).malignancy, _percent(p)] for code, p in report.probabilities],
            [18 * mm, 70 * mm, 40 * mm, width - 128 * mm],
            style=lines,
        ),
        text("What it was made with", styles["Heading2"]),
        *(
            [Table([[text(k), text(v)] for k, v in report.facts], [45 * mm, width - 45 * mm], style=lines)]
            if report.facts
            else []
        ),
        text("Limits", styles["Heading2"]),
        *([ListFlowable([text(sentence) for sentence in report.limits], bulletType="bullet")] if report.limits else []),
    ]
    out = io.BytesIO()
    SimpleDocTemplate(
        out,
        pagesize=A4,
        leftMargin=20 * mm,
        rightMargin=20 * mm,
        topMargin=16 * mm,
        bottomMargin=16 * mm,
        title=f"Lesion Lab: {_latin(report.title)}",
        author="Lesion Lab",
    ).build(story)
    return out.getvalue()


def _latin(sentence: str) -> str:
    """What the PDF's own fonts can show: a letter that they lack is written as its code, such as ``\\u75c5``."""
    return visible(sentence).encode("cp1252", "backslashreplace").decode("cp1252")
