"""A page says nothing by accident: Streamlit draws every bare expression of a page's file, a text in quotes too."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PAGES = sorted((Path(__file__).parents[2] / "pages").glob("*.py"))


@pytest.mark.parametrize("path", PAGES, ids=[path.stem for path in PAGES])
def test_a_page_has_no_bare_expression_but_calls(path: Path) -> None:
    first, *body = ast.parse(path.read_text(encoding="utf-8")).body
    assert isinstance(first, ast.Expr), "the file says what the page is for"
    bare = [node for node in body if isinstance(node, ast.Expr) and not isinstance(node.value, ast.Call)]
    assert not bare, f"line {bare[0].lineno} would be drawn"
