"""Uploads become pixels one at a time: the costliest file that is accepted takes hundreds of MB while it is decoded."""

from __future__ import annotations

from io import BytesIO

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from app import state
from lesion_core.data.samples import reduced
from lesion_core.imaging.arrays import Pixels
from lesion_core.imaging.decode import decode
from lesion_core.serving.queue import BoundedLock

TURNS = BoundedLock(queue=64, busy="Too many images of other visitors are being read.")
"""Of all visitors of this process; the queue is as long as a model's."""
WAITING = "Images of other visitors are being read; yours follows in a moment."


def pixels(file: BytesIO) -> tuple[Pixels, tuple[int, int] | None]:
    """`reduced` of an upload, whose full size lives only as long as its turn; a sentence stands on the page meanwhile.

    Raises:
        ImageError: It is not an image that can be used.
        BusyError: Too many visitors wait.
        ConfigError: The limit on pixels is out of range.
    """
    place = st.empty()

    def say_so() -> None:
        place.info(WAITING, icon=":material/hourglass:")

    try:
        with TURNS.take(say_so):
            return reduced(decode(file.getvalue(), limits=state.limits()))
    finally:
        place.empty()


def let_go(file: UploadedFile) -> None:
    """Drop the bytes of an upload that has become pixels or was refused: else up to 20 MB stay as long as the visit.

    The page remembers the file by its id. The uploader's own value is empty from the next run on.
    """
    if ctx := get_script_run_ctx():
        # Streamlit's interface leaves it out, as only its manager in memory can; its own chat box does the same.
        ctx.uploaded_file_mgr.remove_file(ctx.session_id, file.file_id)  # type: ignore[attr-defined]
