"""The entrypoint: `streamlit run app/Home.py`. It puts the repository on the path, draws the frame, runs a page.

The server imports this file once, for its `streamlit.App`, and then runs it as a script for each visitor."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import streamlit as st  # noqa: E402

if __name__ == "__main__":
    from app.components import problem, sidebar
    from app.navigation import pages
    from lesion_core.errors import LesionError

    st.set_page_config(page_title="Lesion Lab", page_icon=str(ROOT / "app" / "icon.svg"), layout="wide")
    page = st.navigation(pages(ROOT), expanded=True)
    sidebar()
    try:
        page.run()
    except LesionError as error:
        problem(error)
else:
    from app.server import middleware, started

    served = st.App(__file__, middleware=middleware(), lifespan=started)
