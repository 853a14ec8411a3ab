"""A class behind nginx: phones come to both workers, and all are in one room."""

from __future__ import annotations

import json
import sys
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path

import pytest

from lesion_core.cli.proxy import free_ports
from lesion_core.teaching.questions import ChoiceQuestion, Option
from lesion_core.teaching.rooms import FileRooms
from tests.app.test_room_routes import PAGE
from tests.cli.test_serve import BEHIND_NGINX, needs_nginx, serving
from tests.literal import ROOT

TEAMS = ChoiceQuestion(key="teams", text="Whose?", options=tuple(Option(key=k, text=k) for k in "ab"))


@needs_nginx
@pytest.mark.slow
def test_phones_of_both_workers_vote_in_one_room(tmp_path: Path) -> None:
    script, file, [port] = tmp_path / "page.py", tmp_path / "rooms.db", free_ports(1)
    script.write_text(PAGE.format(root=str(ROOT)))
    code = BEHIND_NGINX.replace('"--server.fileWatcherType=none"]', '"--", "--rooms", sys.argv[3]]')
    assert "sys.argv[3]" in code
    with serving(tmp_path, [sys.executable, "-c", code, str(script), str(port), str(file)], port) as served:
        rooms = FileRooms(file)
        room = rooms.open()
        rooms.ask(*room, TEAMS)
        workers = set()
        for number in range(12):
            jar = CookieJar()
            phone = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))

            def ask(path: str, body: object, phone: urllib.request.OpenerDirector = phone) -> dict[str, object]:
                address, kind = f"{served.address}/r/{room.code}/{path}", {"Content-Type": "application/json"}
                with phone.open(urllib.request.Request(address, json.dumps(body).encode(), kind)) as answer:
                    return dict(json.load(answer))

            ballot = ask("join", {})["ballot"]
            for value in "ab"[: 1 + number % 2]:
                assert ask("answer", {"ballot": ballot, "value": value})["mine"] == [value, None]
            workers |= {cookie.value for cookie in jar if cookie.value in ("1", "2")}
        assert workers == {"1", "2"}
        rooms.reveal(*room)
        view = rooms.view(*room)
        assert view.people == 12 and view.first is not None and view.first.counts == {"a": 6, "b": 6}
        rooms.end()
