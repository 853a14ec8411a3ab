"""Foreign text in markdown and in charts: what is read back is what was given, letter by letter."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from app.foreign_text import chart_text, literal
from lesion_core.foreign_text import visible

NAMES = (
    "mole _qz1_ [qz2](3) $qz4^2$ ~~qz5~~ .png",
    ":x: :+1: :red[a] :material/home: :material_home: :streamlit:",
    "a -- b -> c <-> d >= e ~= f",
    "http://a.bc www.a.bc me@a.bc",
    "<b>x</b> &amp; `code` ``",
    "# 1. x",
    "    indented ",
    "1) a\n\n- b",
    "\\*a\\*",
    "|a|b|",
)
REPLACED = re.compile(r":[\w+-]+:|(^|\s)(<->|->|<-|--|>=|<=|~=)(\s|$)|https?://|www\.|\w@\w", re.ASCII)
"""What the page's own script replaces in texts after markdown was read (seen in Streamlit 1.67)."""


def pieces(source: str) -> list[tuple[str, str]]:
    """Kind and content of what a CommonMark reader with strikethrough, no HTML, makes of one line."""
    blocks = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"]).parse(source)
    assert [block.type for block in blocks] in ([], ["paragraph_open", "inline", "paragraph_close"]), source
    inline = (blocks[1].children or []) if blocks else []
    return [("code" if t.type == "code_inline" else t.type, t.content) for t in inline]


def check(text: str) -> None:
    source, found = literal(text), []
    for kind, content in pieces(source):
        assert kind in ("text", "text_special", "code"), (kind, source)
        if kind != "code" and found and found[-1][0] == "text":
            found[-1] = "text", found[-1][1] + content
        else:
            found.append(("code" if kind == "code" else "text", content))
    assert "".join(content for _, content in found).strip(" ") == visible(text).strip(" ")
    for kind, content in found:
        assert kind == "code" or not REPLACED.search(content.strip()), (content, source)
    assert ":material/" not in source, "Streamlit rewrites it before markdown is read, in code too"
    assert not re.search(r"(?<!\\)\$", source)


@pytest.mark.parametrize("name", NAMES)
def test_names_are_shown_letter_by_letter(name: str) -> None:
    check(name)


@given(st.text(st.sampled_from("ab1 *_`~[]()<>#$:|\\/-=@.+!&;{}\n\té") | st.characters(codec="utf-8"), max_size=40))
def test_any_text(text: str) -> None:
    check(text)


@given(st.text("ab<>&;/b \"'$"))
def test_charts(text: str) -> None:
    shown = chart_text(text)
    assert "<" not in shown and html.unescape(shown) == text
