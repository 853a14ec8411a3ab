"""The rooms of this server, which routes and pages share, and which of them a visitor teaches."""

from __future__ import annotations

from functools import cache

import streamlit as st

from app import state
from lesion_core.teaching.room import RoomError
from lesion_core.teaching.rooms import FileRooms, MemoryRooms, Opened, Rooms

TAUGHT = "lesion_lab_room"
"""Name of the teacher's cookie, and of what the session holds: with it a reloaded page teaches on. It is for scripts of
the server alone: a token in the link would be on the wall, in the history of the browser and in what is shared."""


@cache
def rooms() -> Rooms:
    """In memory, or in the file of ``--rooms``.

    Raises:
        ConfigError: The file cannot be used.
    """
    file = state.rooms_file()
    return FileRooms(file) if file else MemoryRooms()


def base() -> str:
    """What stands before all paths of this server: nothing, or a slash and `server.baseUrlPath`."""
    path = str(st.get_option("server.baseUrlPath")).strip("/")
    return f"/{path}" if path else ""


def teach(opened: Opened | None) -> None:
    """From now on this visitor teaches this room, or none."""
    st.session_state[TAUGHT] = opened or ()


def taught() -> Opened | None:
    """The room that this visitor teaches: since this session opened it, or by the cookie of an earlier one."""
    known = st.session_state.get(TAUGHT)
    if known is None:
        code, _, token = str(st.context.cookies.get(TAUGHT, "")).partition(".")
        known = Opened(code, token) if token else None
    if not known:
        return None
    try:
        rooms().view(*known)
    except RoomError:
        return None
    return Opened(*known)
