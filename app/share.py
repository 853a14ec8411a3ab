"""The link of what is on the screen, to copy and as a QR code for those who sit in the room."""

from __future__ import annotations

import io
from collections.abc import Mapping
from urllib.parse import quote, urlencode, urlsplit

import segno
import streamlit as st

from app import state, visit

ONLY_HERE = ("localhost", "127.0.0.1", "::1")


def address(page: str, query: Mapping[str, list[str]]) -> str:
    """The whole link.

    Args:
        page: The address of the page without parameters.
        query: Its parameters.

    Example:
        >>> address("http://lab.example/analyse", {"image": ["a b"]})
        'http://lab.example/analyse?image=a%20b'
    """
    told = urlencode(query, doseq=True, quote_via=quote)
    return f"{page}?{told}" if told else page


def qr_code(link: str) -> bytes | None:
    """A PNG of the link, as ISO/IEC 18004 has it; None where it is too long for one."""
    drawn = io.BytesIO()
    try:
        segno.make_qr(link, error="m").save(drawn, kind="png", scale=6, border=4)
    except segno.DataOverflowError:
        return None
    return drawn.getvalue()


@st.dialog("Share what is on the screen")
def _show(link: str) -> None:
    st.code(link, language=None, wrap_lines=True)
    image = qr_code(link)
    if image is None:
        st.caption("This link is too long for a QR code.")
    else:
        st.image(image, width=300, alt="The link as a QR code")
    if urlsplit(link).hostname in ONLY_HERE:
        st.caption(
            ":material/warning: This address works on this computer alone. Others reach the server under the name or "
            "the number that this computer has in the network."
        )
    if visit.named(state.IMAGE) == visit.UPLOADED:
        st.caption(":material/warning: Your own image does not go along: it stays in your visit.")
    st.caption("Whoever opens it sees this page with this run, this image and these settings.")


def button() -> None:
    """Opens the link in a dialog."""
    if st.button("Share this page", icon=":material/qr_code_2:", width="stretch"):
        _show(address(st.context.url or "", {name: st.query_params.get_all(name) for name in st.query_params}))
