"""A report of one analysed picture, to hand out: one self-contained HTML file, or a PDF. Made in memory only."""

from __future__ import annotations

import base64
import html
import io
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lesion_core.labels import diagnosis
from lesion_core.reports.disclaimer import DISCLAIMER

LONGEST_SIDE = 640
"""Pixels of a picture in a report: enough to see, small enough to send."""
TALLEST = 52
"""Millimetres of a picture in the PDF: two rows and the probabilities fit its first page."""


@dataclass(frozen=True)
class Report:
    """What a report says.

    Attributes:
        title: The image's title.
        made: When, as text.
        answer: One sentence: the diagnosis or UNKNOWN.
        reason: Why it is rejected, or why not; may be empty.
        plain: One sentence on the diagnosis in plain words.
        pictures: Caption and (H, W, 3) uint8 RGB: the picture, its contour, its mask, its map.
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


def report_html(report: Report) -> str:
    """The report as one HTML file that needs nothing else: no network, no script."""
    pictures = "".join(
        f'<figure><img alt="{html.escape(caption)}" src="data:image/png;base64,'
        f'{base64.b64encode(_png(image)).decode()}"><figcaption>{html.escape(caption)}</figcaption></figure>'
        for caption, image in report.pictures
    )
    rows = "".join(
        f"<tr><td>{html.escape(code)}</td><td>{html.escape(diagnosis(code).name)}</td>"
        f"<td>{html.escape(diagnosis(code).malignancy)}</td><td class=n>{_percent(p)}</td>"
        f'<td class=b><i style="width:{100 * p:.1f}%;background:{diagnosis(code).colour}"></i></td></tr>'
        for code, p in report.probabilities
    )
    facts = "".join(f"<tr><th scope=row>{html.escape(k)}</th><td>{html.escape(v)}</td></tr>" for k, v in report.facts)
    sentences = "".join(f"<p>{html.escape(s)}</p>" for s in (report.reason, report.plain) if s)
    limits = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in report.limits)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Lesion Lab: {html.escape(report.title)}</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; color: #1C2B2D; max-width: 960px; margin: 2rem auto; padding: 0 1rem; }}
.warning {{ border-left: 4px solid #0B6E75; padding: .4rem 1rem; background: #F4F7F6; }}
.pictures {{ display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 380px), 1fr)); }}
figure {{ margin: 0; }}
img {{ width: 100%; }} figcaption, .made {{ color: #56676A; font-size: .9rem; }}
table {{ border-collapse: collapse; width: 100%; }}
td, th {{ padding: .2rem .6rem .2rem 0; border-bottom: 1px solid #E3E8E6; text-align: left; font-weight: 400; }}
th {{ color: #56676A; }}
.n {{ text-align: right; }} .b {{ width: 40%; }} .b i {{ display: block; height: .7rem; }}
</style></head><body>
<h1>{html.escape(report.title)}</h1><p class=made>{html.escape(report.made)}</p>
<p class=warning><strong>{html.escape(DISCLAIMER)}</strong></p>
<h2>{html.escape(report.answer)}</h2>{sentences}
<div class=pictures>{pictures}</div>
<h2>Probabilities</h2><table>
<tr><th scope=col>code</th><th scope=col>diagnosis</th><th scope=col>kind</th>
<th scope=col class=n>probability</th><th></th></tr>{rows}</table>
<h2>What it was made with</h2><table>{facts}</table>
<h2>Limits</h2><ul>{limits}</ul>
</body></html>
"""


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
    """What the PDF's own fonts can show: a file name may hold any letter."""
    return sentence.encode("cp1252", "replace").decode("cp1252")
