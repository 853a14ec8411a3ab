"""What phones ask for, below ``/r/``: their page, their vote, the state of their room. No script runs for them.

Everything that is refused is a sentence in JSON, ``{"problem": ...}``, with a 4xx. A path or method that no route takes
would get Streamlit's own page, so all below ``/r/`` are taken here.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from app.room.images import PHONE_SIDE, class_image
from app.room.shared import TAUGHT, base, rooms
from lesion_core.errors import BusyError, LesionError
from lesion_core.teaching.limits import Limiter
from lesion_core.teaching.room import NoRoomError, NotTheTeacherError, RoomError, UnknownPersonError, digest
from lesion_core.teaching.rooms import CODE

PERSON = "lesion_lab_person"
MOST_BYTES = 2048
"""Of what a phone sends: an answer has under 400."""
HOURS = 6 * 3600
"""Seconds that cookies stay; the room is gone before."""
NO_STORE = {"Cache-Control": "no-store"}
FILES = {"": "text/html", "phone.js": "text/javascript", "phone.css": "text/css"}

WRONG = Limiter(20, 0.5)
"""By client: wrong codes and tokens. Where none is left, only those who are in a room already are answered: whoever
tries all codes gets through one in two seconds."""
JOINS = Limiter(150, 3)
"""By room."""
REQUESTS = Limiter(40, 5)
"""By person."""
_SALT = secrets.token_bytes(16)


class _RefusedError(LesionError):
    """A request that is not what a phone sends; `status` as in RFC 9110."""

    def __init__(self, problem: str, remedy: str = "", *, status: int = 400) -> None:
        super().__init__(problem, remedy)
        self.status = status


def _client(request: Request) -> str:
    """Who asks, for `WRONG` alone: with a salt of this process, so that no address is kept."""
    host = request.client.host if request.client else ""
    return hashlib.blake2b(host.encode(), key=_SALT, digest_size=8).hexdigest()


def _told(error: LesionError, status: int) -> Response:
    headers = NO_STORE | ({"Retry-After": "2"} if status in (429, 503) else {})
    return JSONResponse({"problem": str(error)}, status, headers)


Work = Callable[[Request, str], Awaitable[Response]]


def _answered(work: Work, *methods: str) -> Callable[[Request], Awaitable[Response]]:
    """What a route does, and a sentence for all that it refuses."""

    async def answer(request: Request) -> Response:
        client = _client(request)
        try:
            if request.method not in methods:
                raise _RefusedError(f"This address takes {' and '.join(methods)} only.", status=405)
            return await work(request, str(request.path_params.get("code", "")))
        except (NoRoomError, UnknownPersonError, NotTheTeacherError) as error:
            if not isinstance(error, UnknownPersonError) or _token(request):
                if WRONG.empty(client):
                    return _told(_slow_down(), 429)
                WRONG.take(client)
            return _told(error, error.status)
        except (RoomError, _RefusedError) as error:
            return _told(error, error.status)
        except BusyError as error:
            return _told(error, 503)
        except LesionError as error:
            return _told(error, 400)
        except ClientDisconnect:
            return Response(status_code=400)

    return answer


def _slow_down() -> _RefusedError:
    return _RefusedError(
        "Too many wrong codes were tried from here.", "Wait half a minute, and look at the code again.", status=429
    )


async def _do(work: Callable[[], object]) -> object:
    """Rooms in memory are asked at once, and no thread is waited for; those in a file aside."""
    return await run_in_threadpool(work) if rooms().in_file else work()


def _token(request: Request) -> str:
    return request.cookies.get(PERSON, "")


def _person(request: Request) -> str:
    """The token of one who may ask now."""
    token = _token(request)
    if not token:
        raise UnknownPersonError("You are not in this room yet.", "Reload the page.")
    if not REQUESTS.take(digest(token)):
        raise _RefusedError("This phone asks too often.", "It goes on in a moment.", status=429)
    return token


async def _sent(request: Request) -> dict[str, object]:
    """The object of JSON that a request holds; it is read no further than `MOST_BYTES`."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise _RefusedError("Answers are sent as application/json.", status=415)
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            raise _RefusedError(f"An answer has at most {MOST_BYTES:,} bytes.", status=413)
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise _RefusedError("What was sent is not JSON.", status=400) from None
    if not isinstance(found, dict):
        raise _RefusedError("What was sent is not an object of JSON.", status=400)
    return found


def _keep(answer: Response, request: Request, name: str, value: str, path: str) -> None:
    secure = request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https"
    answer.set_cookie(name, value, max_age=HOURS, path=path, secure=secure, httponly=True, samesite="lax")


async def _state(request: Request, code: str) -> Response:
    person = _person(request)
    return JSONResponse(await _do(lambda: rooms().phone(code, person)), headers=NO_STORE)


async def _join(request: Request, code: str) -> Response:
    await _sent(request)
    if WRONG.empty(_client(request)):
        raise _slow_down()
    if token := _token(request):
        try:
            return JSONResponse(await _do(lambda: rooms().phone(code, token)), headers=NO_STORE)
        except UnknownPersonError:
            pass  # of a room that had this code before
    if not JOINS.take(code if CODE.fullmatch(code) else ""):
        raise _RefusedError("Very many come in at once.", "The page tries again in a moment.", status=429)
    token = str(await _do(lambda: rooms().join(code)))
    answer = JSONResponse(await _do(lambda: rooms().phone(code, token)), headers=NO_STORE)
    _keep(answer, request, PERSON, token, f"{base()}/r/{code}")
    return answer


async def _answer(request: Request, code: str) -> Response:
    person = _person(request)
    sent = await _sent(request)
    if set(sent) != {"ballot", "value"} or not isinstance(sent["ballot"], str):
        raise _RefusedError("An answer names its ballot and its value.", "Reload the page.", status=400)
    ballot, value = str(sent["ballot"]), sent["value"]

    def vote() -> dict[str, object]:
        rooms().answer(code, person, ballot, value)
        return rooms().phone(code, person)

    return JSONResponse(await _do(vote), headers=NO_STORE)


async def _teacher(request: Request, code: str) -> Response:
    """Keep the teacher's token in a cookie that no script reads."""
    sent = await _sent(request)
    token = sent.get("token")
    if not isinstance(token, str):
        raise _RefusedError("The token is missing.", status=400)
    if WRONG.empty(_client(request)):
        raise _slow_down()
    await _do(lambda: rooms().view(code, token))
    answer = Response(status_code=204, headers=NO_STORE)
    _keep(answer, request, TAUGHT, f"{code}.{token}", f"{base()}/")
    return answer


async def _image(request: Request, code: str) -> Response:
    person, place = _person(request), request.path_params["place"]
    ballot = request.query_params.get("ballot", "")
    name = str(await _do(lambda: rooms().image(code, person, ballot, place)))
    found = await run_in_threadpool(class_image, name, PHONE_SIDE)
    headers = NO_STORE | {"X-Image-Kind": found.kind, "X-Image-Credit": quote(found.credit)}
    return Response(found.jpeg, media_type="image/jpeg", headers=headers)


@cache
def _file(name: str) -> tuple[bytes, str]:
    content = (Path(__file__).parent / (name or "phone.html")).read_bytes()
    return content, f'"{hashlib.sha256(content).hexdigest()[:16]}"'


async def _page(request: Request, code: str) -> Response:
    """The page of a phone, its script and its style. The page is the same for every code: it tells nobody which rooms
    there are."""
    if CODE.fullmatch(code.upper()):
        if code != code.upper():
            return RedirectResponse(code.upper(), 307)
        code = ""
    if code not in FILES:
        raise _RefusedError("There is nothing at this address.", "Open the link on the wall again.", status=404)
    content, tag = _file(code)
    headers = {"ETag": tag, "Cache-Control": "no-cache", "Referrer-Policy": "same-origin"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=FILES[code], headers=headers)


async def _to_the_page(_request: Request, _code: str) -> Response:
    return RedirectResponse(f"{base()}/r/", 307)


async def _nothing(_request: Request, _code: str) -> Response:
    raise _RefusedError("There is nothing at this address.", "Open the link on the wall again.", status=404)


ALL = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")


def routes() -> list[Route]:
    """The routes for `streamlit.App`, below `server.baseUrlPath`, which Streamlit puts before its own ones alone."""
    work: list[tuple[str, Work, tuple[str, ...]]] = [
        ("/r", _to_the_page, ("GET", "HEAD")),
        ("/r/", _page, ("GET", "HEAD")),
        ("/r/{code}/state", _state, ("GET",)),
        ("/r/{code}/join", _join, ("POST",)),
        ("/r/{code}/answer", _answer, ("POST",)),
        ("/r/{code}/teacher", _teacher, ("POST",)),
        ("/r/{code}/image/{place:int}", _image, ("GET",)),
        ("/r/{code}", _page, ("GET", "HEAD")),
        ("/r/{rest:path}", _nothing, ALL),
    ]
    return [Route(base() + path, _answered(do, *methods), methods=list(ALL)) for path, do, methods in work]
