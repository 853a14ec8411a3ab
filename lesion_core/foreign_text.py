"""Text that is not ours: names of files and folders, ids, cells of somebody's table. It is shown letter by letter and
never the reason that something is lost; what reads markup (Streamlit, Plotly) has its own escapes in `app`."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

# `errors` needs this file and every other file needs `errors`: pandas waits inside the functions for tables.

BYTE_ORDER_MARK = "\ufeff"
"""What tells a spreadsheet that a CSV file is UTF-8; as bytes EF BB BF."""

_JOINERS = "\u200c\u200d"
"""Format characters that letters of some scripts, and emoji, are made with."""
_SHORT = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}
_COMPUTED = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""What a spreadsheet takes for the beginning of a formula, full width too."""
LONGEST_PIECE = 200
"""Letters of one piece of foreign text that a sentence bears."""
_LONG_WORD = re.compile(rf"\S{{{LONGEST_PIECE + 1},}}")
_PATH = re.compile(r"\S*[/\\].*[/\\]\S*")
"""From the first word with a slash to the last: folders may have blanks in their names."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?( ?%)?", re.IGNORECASE | re.ASCII)


def visible(text: str) -> str:
    r"""Text in one line whose every character can be seen and written: what cannot is escaped.

    Control characters, line breaks, marks that turn the direction of writing, unassigned and private characters, and
    the bytes of a file name that are not UTF-8 (Python keeps them as lone surrogates) become ``\n``, ``\x1b``,
    ``\u202e`` or, for such a byte, ``\xe9``.

    Example:
        >>> visible("mole\n\u202e.png")
        'mole\\n\\u202e.png'
        >>> visible(b"na\xe9vus.jpg".decode("utf-8", "surrogateescape"))
        'na\\xe9vus.jpg'
    """
    return text if text.isprintable() else "".join(map(_visible, text))


def shown(text: str, most: int = 60) -> str:
    """Foreign text in a sentence of ours: `visible`, and not longer than a sentence bears.

    Args:
        text: Any text, however long.
        most: Letters that are kept; where some are left out, the last is an ellipsis.

    Example:
        >>> shown("a\\x1b" + "b" * 1000, 10)
        'a\\\\x1bbbbb…'
    """
    short = visible(text[: most + 1])
    return short if len(short) <= most else short[: most - 1] + "…"


def sentence(text: str, most: int) -> str:
    """A sentence of ours, whatever foreign text stands in it: `visible`, bounded, the same if it is done again.

    It is the last guard, for what the writer of a sentence forgot. Where foreign text begins and ends it cannot know,
    so it takes out the middle of each word and each path of more than `LONGEST_PIECE` letters. What is longer than any
    sentence of ours is foreign for the most part: of that, `LONGEST_PIECE` letters are kept in all. What is wrong is
    said at the start or at the end.

    Args:
        text: The sentence, however long.
        most: Letters that a sentence of ours may have, at least `LONGEST_PIECE`.

    Example:
        >>> told = sentence("There is no folder /" + "x" * 10**6 + "/b\\x1b.", 300)
        >>> len(told), told[:22], told[-8:]
        (219, 'There is no folder /xx', 'x/b\\\\x1b.')
    """
    seen = visible(_without_middle(text, 4 * most))
    for piece in (_LONG_WORD, _PATH):
        seen = piece.sub(lambda found: _without_middle(found[0], LONGEST_PIECE), seen)
    return seen if len(seen) <= most else _without_middle(seen, LONGEST_PIECE)


def _without_middle(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    end = most // 3
    return f"{text[: most - end - 1]}…{text[-end:]}"


def _visible(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    seen = unicodedata.category(character)[0] != "C" or character in _JOINERS
    if seen and character not in "\u2028\u2029":
        return character
    if character in _SHORT:
        return _SHORT[character]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def spreadsheet_cell(text: str) -> str:
    """A text that no spreadsheet computes: with an apostrophe before what looks like a formula. Numbers stay.

    Example:
        >>> spreadsheet_cell("=SUM(A1)"), spreadsheet_cell("-0.5"), spreadsheet_cell("nevus")
        ("'=SUM(A1)", '-0.5', 'nevus')
    """
    shown = visible(text)
    computed = text.lstrip(" ").startswith(_COMPUTED) and not _NUMBER.fullmatch(text)
    return f"'{shown}" if computed else shown


def for_people(table: pd.DataFrame) -> pd.DataFrame:
    """A table to show or to export: the names of its columns, its index and its texts guarded by `spreadsheet_cell`.

    Args:
        table: Any table; it is not changed. Numbers, dates and NaN are passed through.
    """

    import pandas as pd

    def cell(value: object) -> object:
        return spreadsheet_cell(value) if isinstance(value, str) else value

    guarded = table.copy()
    for at, dtype in enumerate(table.dtypes):
        if pd.api.types.is_object_dtype(dtype) or pd.api.types.is_string_dtype(dtype):
            guarded.isetitem(at, table.iloc[:, at].astype(object).map(cell).array)
        elif isinstance(dtype, pd.CategoricalDtype):
            guarded.isetitem(at, table.iloc[:, at].astype(object).map(cell).astype("category").array)
    guarded.columns = table.columns.map(cell)
    if table.index.inferred_type in ("string", "mixed", "categorical"):
        guarded.index = table.index.map(cell)
    return guarded


def people_csv(table: pd.DataFrame) -> bytes:
    """A table as the CSV file that a spreadsheet opens right: UTF-8 with a byte-order mark, nothing computed.

    Args:
        table: Any table; its index is left out.
    """
    return (BYTE_ORDER_MARK + for_people(table).to_csv(index=False, lineterminator="\r\n")).encode()
