"""The lessons that are here, read once for all visitors; a file that changes is read again."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from app.lessons.figures import ARGUMENTS
from app.state import LESSONS
from lesion_core.errors import ConfigError
from lesion_core.runs.hashes import FileState, file_state
from lesion_core.teaching.lessons import SUFFIX, Lesson, list_lessons


def lessons() -> tuple[Mapping[str, Lesson], Mapping[str, ConfigError]]:
    """The lessons by name, in their order; and what is wrong with other files, by file name."""
    return _read(tuple((path.name, file_state(path)) for path in sorted(LESSONS.glob(f"*{SUFFIX}"))))


@st.cache_resource(show_spinner=False, max_entries=4)
def _read(state: tuple[tuple[str, FileState], ...]) -> tuple[Mapping[str, Lesson], Mapping[str, ConfigError]]:  # noqa: ARG001
    return list_lessons(LESSONS, ARGUMENTS)
