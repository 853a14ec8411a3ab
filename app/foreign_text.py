"""Names, ids and cells that are not ours, for what reads markup: Streamlit's markdown and Plotly's texts.

Alternative texts are plain: `lesion_core.foreign_text.visible` is enough there. Tables go through `for_people`.
"""

from __future__ import annotations

import html
import re

from lesion_core.foreign_text import visible

_MARKUP = re.compile(
    r"[\\`*_{}\[\]<>#~|$&]"
    r"|:(?!\s|$)"  # a directive or an icon
    r"|(?<=:material)/"  # Streamlit rewrites this before markdown is read, in code too
)
_LIST = re.compile(r"( *)(?:([-+=])|(\d+)([.)]))")
"""What makes a list or a line at the start of a text only."""
_AFTER_PARSING = re.compile(
    r"(?::(?!material/)[\w+-]+)+:"  # an emoji, an icon or the logo
    r"|(?<!\S)(?:<->|->|<-|--|>=|<=|~=)(?!\S)"  # an arrow, a dash, a comparison
    r"|https?(?=://)|www(?=\.)|@",  # a link, an address
    re.ASCII | re.IGNORECASE,
)
"""What Streamlit replaces in a text that markdown's escapes are already gone from; it leaves code alone."""


def literal(text: str) -> str:
    r"""Text for an element that reads markdown: it is shown letter by letter, in one line.

    What begins markdown, HTML, formulas and directives is escaped. What Streamlit would still
    replace (`:x:`, `--`, addresses) is put into a code span, the only thing that it leaves alone.

    Example:
        >>> literal("_a_ $b$")
        '\\_a\\_ \\$b\\$'
    """
    shown, parts, end = visible(text), [], 0
    for found in _AFTER_PARSING.finditer(shown):
        parts += [_escaped(shown[end : found.start()]), f"`{found.group()}`"]
        end = found.end()
    escaped = "".join([*parts, _escaped(shown[end:])])
    if listed := _LIST.match(escaped):
        escaped = f"{listed[1]}{listed[3] or ''}\\{listed[2] or listed[4]}{escaped[listed.end() :]}"
    # A blank at an end would end bold type, and four at the start would make code.
    inner = escaped.strip()
    start = escaped.index(inner) if inner else len(escaped)
    ends = escaped[:start], escaped[start + len(inner) :]
    before, after = ("".join(f"&#{ord(blank)};" for blank in blanks) for blanks in ends)
    return before + inner + after


def _escaped(text: str) -> str:
    return _MARKUP.sub(r"\\\g<0>", text)


def file_stem(text: str) -> str:
    """Text as a part of a file name: what could be a path, or what some systems refuse, becomes ``_``.

    Example:
        >>> file_stem("../a b?")
        'a_b'
    """
    return re.sub(r"[^\w-]+", "_", text)[:100].strip("_") or "image"


def chart_text(text: str) -> str:
    """Text for a Plotly figure, whose titles, ticks and labels take HTML tags.

    Example:
        >>> chart_text("<b>a</b> & b")
        '&lt;b&gt;a&lt;/b&gt; &amp; b'
    """
    return html.escape(visible(text), quote=False)
