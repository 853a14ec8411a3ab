"""The routes of phones: one person, one vote; whatever is wrong is a sentence with a 4xx."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from hypothesis import HealthCheck, given, settings, strategies
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app import server
from app.room import routes as phones
from app.room import shared
from app.room.images import class_image
from benchmarks.served import server as served
from lesion_core.errors import DataError
from lesion_core.teaching.limits import Limiter
from lesion_core.teaching.questions import ChoiceQuestion, DiagnosisQuestion, Item, Option, SeriesQuestion
from lesion_core.teaching.reading import ReadingImage, ReadingQuestion
from lesion_core.teaching.rooms import FileRooms, MemoryRooms, Opened, Rooms
from tests.literal import ROOT

TEAMS = ChoiceQuestion(
    key="teams", text="Whose is better?", options=tuple(Option(key=k, text=k.upper()) for k in "ab"), right="b"
)
IMAGE = DiagnosisQuestion(key="which", text="Which?", image="synthetic-MEL-1", right="MEL")

PAGE = """
import sys
sys.path.insert(0, {root!r})
import streamlit as st

if __name__ == "__main__":
    st.title("A page")
else:
    from app.room.routes import routes
    from app.server import middleware

    served = st.App(__file__, routes=routes(), middleware=middleware())
"""


@pytest.fixture(params=["memory", "file"])
def rooms(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rooms]:
    kept: Rooms = MemoryRooms() if request.param == "memory" else FileRooms(tmp_path / "rooms.db")
    for module in (shared, phones):
        monkeypatch.setattr(module, "rooms", lambda: kept)
    for name, limiter in (("WRONG", Limiter(20, 0.5)), ("JOINS", Limiter(150, 3)), ("REQUESTS", Limiter(40, 5))):
        monkeypatch.setattr(phones, name, limiter)
    yield kept
    if isinstance(kept, FileRooms):
        kept.end()


@pytest.fixture
def room(rooms: Rooms) -> Opened:
    return rooms.open()


def phone(**headers: str) -> TestClient:
    return TestClient(Starlette(routes=phones.routes()), raise_server_exceptions=True, headers=headers)


def joined(code: str) -> TestClient:
    client = phone()
    assert client.get(f"/r/{code}/state").status_code == 401
    answer = client.post(f"/r/{code}/join", json={})
    assert answer.status_code == 200
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and f"Path=/r/{code};" in cookie
    return client


def problem(answer: Any, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/json" and answer.headers["Cache-Control"] == "no-store"
    told = str(answer.json()["problem"])
    assert " " in told and told.endswith(".") and "Traceback" not in told
    return told


def test_a_vote_counts_once_and_the_last_one_counts(rooms: Rooms, room: Opened) -> None:
    client, neighbour = joined(room.code), joined(room.code)
    rooms.ask(*room, TEAMS)
    told = client.get(f"/r/{room.code}/state").json()
    assert told["question"]["text"] == TEAMS.text and told["mine"] == [None, None]
    for value in "aab":
        answer = client.post(f"/r/{room.code}/answer", json={"ballot": told["ballot"], "value": value})
        assert answer.json()["mine"] == [value, None]
    assert client.post(f"/r/{room.code}/join", json={}).json()["mine"] == ["b", None], "a reload is the same person"
    view = rooms.view(*room)
    assert (view.people, view.answered) == (2, 1)
    assert neighbour.get(f"/r/{room.code}/state").json()["mine"] == [None, None]
    rooms.reveal(*room)
    late = client.post(f"/r/{room.code}/answer", json={"ballot": told["ballot"], "value": "a"})
    assert "over" in problem(late, 409)


def test_what_is_malformed_is_refused_in_a_sentence(rooms: Rooms, room: Opened) -> None:
    client = joined(room.code)
    rooms.ask(*room, TEAMS)
    ballot, path = client.get(f"/r/{room.code}/state").json()["ballot"], f"/r/{room.code}/answer"
    for value in ("z", None, 1, True, ["a"], {"a": 1}, "a" * 500):
        problem(client.post(path, json={"ballot": ballot, "value": value}), 400)
    json_type = {"Content-Type": "application/json"}
    for body in (b"", b"{", b"[]", b"7", b'"a"', b"\xff\xfe", b"[" * 2000, b"{}", b'{"ballot": 1, "value": "a"}'):
        problem(client.post(path, content=body, headers=json_type), 400)
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        problem(client.post(path, content=b"{}", headers={"Content-Type": kind}), 415)
    problem(client.post(path, content=b" " * 3000, headers=json_type), 413)
    for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS"):
        problem(client.request(method, path), 405)
    assert rooms.view(*room).answered == 0


@given(body=strategies.binary(max_size=300))
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_bytes_come_nothing_breaks(rooms: Rooms, room: Opened, body: bytes) -> None:
    client = phone(**{"Content-Type": "application/json"})
    token = rooms.join(room.code) if rooms.view(*room).people < 50 else ""
    client.cookies.set("lesion_lab_person", token)
    for path in ("answer", "teacher"):
        problem(client.post(f"/r/{room.code}/{path}", content=body), 400) if token else None


def test_an_endless_body_is_read_no_further_than_the_limit(room: Opened) -> None:
    client = joined(room.code)
    pieces = (b" " * 1000 for _ in range(1000))
    answer = client.post(f"/r/{room.code}/answer", content=pieces, headers={"Content-Type": "application/json"})
    problem(answer, 413)


def test_paths_of_no_route_are_404_and_tell_nothing(room: Opened) -> None:
    client = phone()
    for path in ("/r/x/y/z", f"/r/{room.code}/", f"/r/{room.code}/image/x", "/r/../r/a/b", "/r/phone.html", "/r/%00"):
        problem(client.get(path), 404)
    for code in (room.code, "BBBB"):
        page = client.get(f"/r/{code}")
        assert page.status_code == 200 and page.headers["Content-Type"].startswith("text/html")
        assert page.content == (ROOT / "app" / "room" / "phone.html").read_bytes(), "one page, whatever the code"
        again = client.get(f"/r/{code}", headers={"If-None-Match": page.headers["ETag"]})
        assert again.status_code == 304
    moved = client.get(f"/r/{room.code.lower()}", follow_redirects=False)
    assert (moved.status_code, moved.headers["Location"]) == (307, room.code)
    assert client.get("/r").url.path == "/r/"


def test_the_first_visit_is_small(room: Opened) -> None:
    client = phone()
    assert sum(len(client.get(path).content) for path in (f"/r/{room.code}", "/r/phone.js", "/r/phone.css")) < 30_000


def test_wrong_codes_are_slowed_down_and_nobody_inside_is(rooms: Rooms, room: Opened) -> None:
    client = joined(room.code)
    guesser = phone()
    found = [guesser.post(f"/r/{code}/join", json={}).status_code for code in ("BBBB", "22222", "b") * 20]
    assert found[:20] == [404] * 20 and found[25:] == [429] * 35
    right = guesser.post(f"/r/{room.code}/join", json={})
    assert "wrong codes" in problem(right, 429) and right.headers["Retry-After"], "else the right one would stand out"
    problem(guesser.post(f"/r/{room.code}/teacher", json={"token": room.teacher}), 429)
    assert client.get(f"/r/{room.code}/state").status_code == 200
    assert rooms.view(*room).people == 1


def test_without_a_cookie_nobody_learns_which_rooms_there_are(room: Opened) -> None:
    answers = [phone().get(f"/r/{code}/state") for code in (room.code, "BBBB", "x")]
    assert len({(answer.status_code, answer.text) for answer in answers}) == 1
    forged = phone(Cookie="lesion_lab_person=forged")
    found = [forged.get(f"/r/{room.code}/state").status_code for _ in range(40)]
    assert found[:20] == [401] * 20 and found[-1] == 429


def test_a_phone_that_asks_without_pause_is_slowed_down(room: Opened) -> None:
    client, neighbour = joined(room.code), joined(room.code)
    found = [client.get(f"/r/{room.code}/state").status_code for _ in range(60)]
    assert found[:30] == [200] * 30 and 429 in found
    assert neighbour.get(f"/r/{room.code}/state").status_code == 200


def test_the_teachers_token_goes_into_a_cookie_of_the_whole_server(rooms: Rooms, room: Opened) -> None:
    answer = phone().post(f"/r/{room.code}/teacher", json={"token": room.teacher})
    cookie = answer.headers["Set-Cookie"]
    assert answer.status_code == 204 and cookie.startswith(f"lesion_lab_room={room.code}.{room.teacher};")
    assert "HttpOnly" in cookie and "Path=/;" in cookie and "Secure" not in cookie
    behind = phone(**{"X-Forwarded-Proto": "https"}).post(f"/r/{room.code}/teacher", json={"token": room.teacher})
    assert "Secure" in behind.headers["Set-Cookie"]
    for token in ("", "x", rooms.open().teacher, room.teacher[:-1]):
        problem(phone().post(f"/r/{room.code}/teacher", json={"token": token}), 403)
    problem(phone().post(f"/r/{room.code}/teacher", json={}), 400)
    problem(phone().post("/r/BBBB/teacher", json={"token": room.teacher}), 404)


def test_an_image_comes_by_its_place_with_its_credit(rooms: Rooms, room: Opened) -> None:
    client = joined(room.code)
    rooms.ask(*room, IMAGE)
    told = client.get(f"/r/{room.code}/state")
    assert "synthetic" not in told.text and '"right"' not in told.text
    path = f"/r/{room.code}/image/0?ballot={told.json()['ballot']}"
    answer = client.get(path)
    assert answer.headers["Content-Type"] == "image/jpeg" and answer.content[:2] == b"\xff\xd8"
    assert answer.headers["X-Image-Kind"] == "synthetic" and answer.headers["Cache-Control"] == "no-store"
    assert len(answer.content) < 40_000 and "MEL" not in str(answer.headers)
    problem(phone().get(path), 401)
    problem(client.get(path.replace("image/0", "image/1")), 404)
    rooms.ask(*room, TEAMS)
    problem(client.get(path), 404)


def test_a_series_of_pictures_is_answered_item_by_item(rooms: Rooms, room: Opened) -> None:
    client = joined(room.code)
    names = ("synthetic-MEL-1", "synthetic-NV-1", "synthetic-BCC-1")
    items = tuple(Item(text="Malignant?", image=name, right=False) for name in names)
    rooms.ask(*room, SeriesQuestion(key="s", text="Right?", items=items))
    told = client.get(f"/r/{room.code}/state").json()
    path, ballot = f"/r/{room.code}/answer", told["ballot"]
    assert [item["image"] for item in told["question"]["items"]] == [0, 1, 2]
    sizes = [len(client.get(f"/r/{room.code}/image/{place}?ballot={ballot}").content) for place in range(3)]
    assert min(sizes) > 2_000 and sum(sizes) < 120_000
    for value in ([True], [True, False], [True, False, True]):
        assert client.post(path, json={"ballot": ballot, "value": value}).json()["mine"] == [value, None]
    for wrong in ([], [True] * 4, [1], [None], "yes", True, {"0": True}, [[True]]):
        problem(client.post(path, json={"ballot": ballot, "value": wrong}), 400)
    problem(client.post(path, json={"ballot": ballot, "value": [True] * 2000}), 413)
    assert client.get(f"/r/{room.code}/state").json()["mine"] == [[True, False, True], None]
    view = rooms.view(*room)
    assert (view.answered, view.finished, view.people) == (1, 1, 1)


def test_a_reader_studys_answers_are_codes_and_its_maps_of_one_arm(rooms: Rooms, room: Opened) -> None:
    client = joined(room.code)
    said = {"MEL": "NV", "NV": "MEL", "BCC": "NV", "DF": "DF", "BKL": "BKL", "SCC": "SCC"}
    reads = tuple(
        ReadingImage(image=f"synthetic-{c}-1", map=f"synthetic-{c}-2", truth=c, answer=says, confidence=0.8)
        for c, says in said.items()
    )
    rooms.ask(*room, ReadingQuestion(key="r", text="What?", reads=reads))
    told = client.get(f"/r/{room.code}/state").json()
    path, ballot = f"/r/{room.code}/answer", told["ballot"]
    for item in told["question"]["items"]:
        image = client.get(f"/r/{room.code}/image/{item['image']}?ballot={ballot}")
        assert image.status_code == 200 and len(image.content) < 40_000
        its_map = client.get(f"/r/{room.code}/image/{6 + item['image']}?ballot={ballot}")
        assert (its_map.status_code == 200) == (item["map"] is not None) == (item["arm"] == "with answer and map")
    for wrong in ([], ["MEL"] * 7, ["XYZ"], [True], "MEL", [None], {"a": "MEL"}):
        problem(client.post(path, json={"ballot": ballot, "value": wrong}), 400)
    problem(client.post(path, json={"ballot": ballot, "value": ["MEL"] * 2000}), 413)
    assert client.post(path, json={"ballot": ballot, "value": ["MEL"] * 6}).json()["mine"] == [["MEL"] * 6, None]


def test_images_without_a_licence_are_not_for_a_class(monkeypatch: pytest.MonkeyPatch, data_root: Path) -> None:
    monkeypatch.setenv("LESION_DATA", str(data_root))
    for name in ("synthetic-XX-1", "synthetic-MEL-1000", "../../etc/passwd", "", "ISIC_0000000"):
        with pytest.raises(DataError):
            class_image(name)


def test_the_paths_follow_the_base_of_the_server(room: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    option = st.get_option
    monkeypatch.setattr(st, "get_option", lambda name: "/lab/" if name == "server.baseUrlPath" else option(name))
    client = phone()
    assert client.get("/lab/r").url.path == "/lab/r/" and client.get("/r/").status_code == 404
    cookie = client.post(f"/lab/r/{room.code}/join", json={}).headers["Set-Cookie"]
    assert f"Path=/lab/r/{room.code};" in cookie
    assert client.get(f"/lab/r/{room.code}/state").status_code == 200


def test_listening_sockets_answer_at_once_and_no_file_stays_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        before = len(list(Path("/proc/self/fd").iterdir()))
        assert server.answer_at_once() >= 1 and len(list(Path("/proc/self/fd").iterdir())) == before
        with socket.create_connection(door.getsockname()):
            accepted, _ = door.accept()
            with accepted:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.slow
def test_the_server_of_the_pages_answers_phones(tmp_path: Path) -> None:
    """Below a path of its own, as Streamlit finds them in a script: what no route takes would get Streamlit's page."""
    (tmp_path / "page.py").write_text(PAGE.format(root=str(ROOT)))
    with served(tmp_path / "page.py", ["server.baseUrlPath=lab"], log=tmp_path / "log") as (url, _):
        connection = HTTPConnection(url.removeprefix("http://"), timeout=60)

        def ask(path: str, method: str = "GET", body: Any = None, **headers: str) -> tuple[int, str, str]:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers["Content-Type"], answer.read().decode()

        status, kind, page = ask("/lab/r/BBBB")
        assert (status, kind) == (200, "text/html; charset=utf-8") and "phone.js" in page and "skeleton" not in page
        assert len(page) == len((ROOT / "app" / "room" / "phone.html").read_text())
        for path, method, expected in (
            ("/lab/r/BBBB/state", "GET", 401),
            ("/lab/r/BBBB/state", "POST", 405),
            ("/lab/r/nothing/here", "GET", 404),
        ):
            status, kind, told = ask(path, method)
            assert (status, kind) == (expected, "application/json") and json.loads(told)["problem"]
        json_type = {"Content-Type": "application/json"}
        assert ask("/lab/r/BBBB/join", "POST", "{}", **json_type)[0] == 404
        assert ask("/lab/r/BBBB/join", "POST", "{}", **json_type, Origin="https://evil.example")[0] == 403
        pieces = [b" " * 1000] * 300
        assert ask("/lab/r/BBBB/join", "POST", iter(pieces), **json_type)[0] == 413
    assert "Traceback" not in (tmp_path / "log").read_text()
