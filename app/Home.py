"""The entrypoint: `streamlit run app/Home.py`. It puts the repository on the path, draws the frame, runs a page."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import streamlit as st  # noqa: E402

from app.components import problem, sidebar  # noqa: E402
from app.navigation import pages  # noqa: E402
from lesion_core.errors import LesionError  # noqa: E402

st.set_page_config(page_title="Lesion Lab", page_icon=str(ROOT / "app" / "icon.svg"), layout="wide")
page = st.navigation(pages(ROOT), expanded=True)
sidebar()
try:
    page.run()
except LesionError as error:
    problem(error)
