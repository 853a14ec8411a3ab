"""The log of a server that opened every page holds its address and nothing else: no warning, no traceback."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

from app.navigation import GROUPS
from tests.browser.served import visit

LINKS = (
    *(stem for entries in GROUPS.values() for stem, _, _ in entries if stem != "overview"),
    # What a link brings meets the widgets that hold the same.
    "?run=small&present=1",
    "analyse?image=synthetic-BCC-2&run=small",
    "compare?view=binary&tab=ROC+curves",
    "explain?image=synthetic-BCC-2&target=DF&layer=layer3&opacity=40&beside=classes",
    "out_of_distribution?score=confidence&on=select&bars=shares",
    "preprocessing?image=synthetic-MEL-1&hair=true",
    "segment?image=synthetic-MEL-1&mask_opacity=40",
)


def test_the_log_of_a_server_that_opened_every_page_is_its_address(page: Page, server: str, server_log: Path) -> None:
    before = server_log.read_text()
    for link in LINKS:
        visit(page, server, link)
    said = server_log.read_text()
    begin = [line.strip() for line in said.splitlines() if line.strip()][:2]
    assert begin == ["You can now view your Streamlit app in your browser.", f"URL: {server}"]
    assert "No runtime found" not in said  # of each cached function, when it is imported
    addresses = "" if before.strip() else "\n".join(begin)  # they may be written while the first page opens
    new = "\n".join(line.strip() for line in said.removeprefix(before).splitlines() if line.strip())
    assert new == addresses
