"""The entrypoint: `streamlit run app/Home.py`. It puts the repository on the path, draws the frame, runs a page.

The server imports this file once, for its `streamlit.App`, and then runs it as a script for each visitor."""

from __future__ import annotations

import logging
import sys
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import streamlit as st  # noqa: E402

if __name__ == "__main__":
    from app import present, sidebar, tour, tried_policy, visit
    from app.cache import disk
    from app.components import problem
    from app.navigation import alias, pages
    from lesion_core.errors import LesionError

    st.set_page_config(page_title="Lesion Lab", page_icon=str(ROOT / "app" / "icon.svg"), layout="wide")
    groups, start = pages(ROOT), alias(ROOT)
    page = st.navigation([*chain(*groups.values()), start], position="hidden")
    with disk.looked_at_once():
        visit.begin()
        sidebar.draw(groups, start, page)
        tried_policy.take()
        tour.draw(visit.stem(page))
        try:
            page.run()
        except LesionError as error:
            problem(error)
        present.ways(groups)
        visit.end(visit.stem(page))
else:
    # Streamlit warns of each cached function that is imported before the server is up, as all are here.
    caching = logging.getLogger("streamlit.runtime.caching.cache_data_api")
    caching.addFilter(lambda said: not said.getMessage().startswith("No runtime found"))

    from app.room.routes import routes
    from app.server import middleware, started

    served = st.App(__file__, routes=routes(), middleware=middleware(), lifespan=started)
