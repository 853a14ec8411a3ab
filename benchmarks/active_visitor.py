"""A scripted visitor that also uploads, drags, presses, stops and vanishes, and looks at all that it receives.

Like a browser it knows the widgets that the page has drawn, sends the state of the one that was touched with the
fragment that it belongs to, keeps the link that the page writes, and deletes a file that another one replaces.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from streamlit.proto.Alert_pb2 import Alert
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Common_pb2 import UploadedFileInfo
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState

from benchmarks.visitor import Action, Visitor

OWNER = re.compile(rb"ownedby(\d{4})")
"""Stands in the names of all files that are uploaded: whose they are."""
NAME = re.compile(r"ownedby\d{4}n\d{5}x")
"""Such a name, without its ending."""


@dataclass(frozen=True)
class Widget:
    """What the page has drawn: its message, and the part of the page that runs again with it."""

    element: Any
    fragment: str


@dataclass
class ActiveVisitor(Visitor):
    """A visitor with hands.

    Attributes:
        secrets: What no message may contain.
        sentences: Every warning and error that was told, with how often.
        pictures: Addresses of images that were received; those with the name of a file beside them that nobody else
            has are `own`.
    """

    secrets: Sequence[bytes] = ()
    sentences: dict[str, int] = field(default_factory=dict)
    pictures: set[str] = field(default_factory=set)
    own: set[str] = field(default_factory=set)
    _widgets: dict[str, Widget] = field(default_factory=dict)
    _elements: dict[str, tuple[Element, str]] = field(default_factory=dict)
    _link: tuple[str, str] = ("", "")
    _files: dict[str, list[UploadedFileInfo]] = field(default_factory=dict)
    _uploads: int = 0
    _said: list[str] = field(default_factory=list)
    _names: set[str] = field(default_factory=set)
    _unlike: set[str] = field(default_factory=set)

    async def _next(self, action: Action) -> ForwardMsg:
        before = action.received
        message = await super()._next(action)
        assert action.received > before
        self._inspect(message.SerializeToString(), action)
        kind = message.WhichOneof("type")
        if kind == "page_info_changed":
            self._link = self._link[0], message.page_info_changed.query_string
        elif kind == "delta" and message.metadata.cacheable:
            self._elements[message.hash] = message.delta.new_element, message.delta.fragment_id
        elif kind == "ref_hash" and message.ref_hash in self._elements:
            self._see(*self._elements[message.ref_hash], action)
        return message

    def _inspect(self, data: bytes, action: Action) -> None:
        """Nothing of the server's machine, nothing of other visitors."""
        for secret in self.secrets:
            if secret in data:
                action.failure = f"leak: {secret.decode()}"
        if others := {int(number) for number in OWNER.findall(data)} - {self.number}:
            action.failure = f"leak: a file of visitor {others.pop()}"
        self._names = {name for name in self._names if name.encode() not in data}

    def _see(self, element: Element, fragment: str, action: Action) -> None:
        super()._see(element, fragment, action)
        kind = element.WhichOneof("type")
        part = getattr(element, kind) if kind else None
        ident = str(getattr(part, "id", ""))
        if ident.startswith("$$ID-"):
            name = ident.split("-", 2)[2]
            self._widgets[str(part.label) if name == "None" and hasattr(part, "label") else name] = Widget(
                part, fragment
            )
        if kind == "alert" and element.alert.format in (Alert.ERROR, Alert.WARNING):
            self._said.append(element.alert.body)
            self.sentences[element.alert.body] = self.sentences.get(element.alert.body, 0) + 1
        for image in element.imgs.imgs:
            self.pictures.add(image.url)
            if self._unlike.intersection(NAME.findall(f"{image.caption} {image.alt}")):
                self.own.add(image.url)

    async def hang_up(self, *, forget: bool) -> None:
        await super().hang_up(forget=forget)
        if forget:
            self._widgets, self._elements, self._files = {}, {}, {}

    async def _attempt(self, action: Action, deed: Callable[[], Any]) -> None:
        self._said = []
        await super()._attempt(action, deed)

    async def _go(self, link: str, action: Action) -> None:
        path, _, query = link.partition("?")
        self._link, self._widgets = (path, query), {}
        await self._run(path, query, action)

    async def open(self, link: str, action: Action) -> None:
        """Open a link."""
        await self._attempt(action, lambda: self._go(link, action))

    async def touch(self, name: str, value: Callable[[Any, WidgetState], None], action: Action) -> None:
        """Change a widget of the page that is open.

        Args:
            name: Its key, or its label where it has none.
            value: Writes the new value; gets what the page has drawn.
            action: What happens is written there.
        """
        if name not in self._widgets:
            action.failure = action.failure or f"no widget: {name}"
            return
        widget = self._widgets[name]
        message = self._message(*self._link)
        message.rerun_script.is_history_navigation = False
        message.rerun_script.fragment_id = widget.fragment
        state = message.rerun_script.widget_states.widgets.add()
        state.id = widget.element.id
        value(widget.element, state)
        await self._run(*self._link, action, message)

    async def press(self, link: str, label: str, action: Action) -> None:
        """Open a link and press a button there."""

        def down(_: Any, state: WidgetState) -> None:
            state.trigger_value = True

        async def deed() -> None:
            await self._go(link, action)
            await self.touch(label, down, action)

        await self._attempt(action, deed)

    async def drag(self, link: str, times: int, draw: random.Random, action: Action) -> None:
        """Open a threshold page, and let its line go somewhere else a few times, then type a number."""
        turn = 0

        def released(drawn: Any, state: WidgetState) -> None:
            threshold = draw.choice(json.loads(json.loads(drawn.json)["bins"])["edges"])
            state.json_value = json.dumps({"released": {"threshold": threshold, "turn": turn}})

        def typed(drawn: Any, state: WidgetState) -> None:
            state.double_value = drawn.default * draw.uniform(0.5, 1.5)

        async def deed() -> None:
            nonlocal turn
            await self._go(link, action)
            line = next((name for name in self._widgets if name.startswith("line_")), "line_")
            while turn < times:
                turn += 1
                await self.touch(line, released, action)
            await self.touch("threshold", typed, action)

        await self._attempt(action, deed)

    async def stop(self, link: str, after: float, action: Action) -> None:
        """Open a link and press Stop some seconds later."""

        async def deed() -> None:
            opened = asyncio.create_task(self._go(link, action))
            await asyncio.wait([opened], timeout=after)
            if self._socket is not None and not opened.done():
                await self._socket.send_bytes(BackMsg(stop_script=True).SerializeToString())
            await opened

        await self._attempt(action, deed)

    async def vanish(self, link: str, after: float, action: Action) -> None:
        """Open a link and be gone before it is there, without a word to the server."""

        async def deed() -> None:
            opened = asyncio.create_task(self._go(link, action))
            await asyncio.wait([opened], timeout=after)
            http, self._http, self._socket = self._http, None, None
            assert http is not None
            await http.close()  # the connection itself: no closing message
            await asyncio.gather(opened, return_exceptions=True)
            await self.hang_up(forget=True)

        await self._attempt(action, deed)

    async def give(
        self, link: str, files: Sequence[tuple[str, bytes]], action: Action, *, unlike: bool = True
    ) -> list[str]:
        """Open a link and put files into its uploader: each must be taken or be refused in a sentence.

        Args:
            link: The page; its uploader takes several where more than one is given.
            files: Ending and content.
            action: What happens is written there.
            unlike: Whether nobody else has such pixels.

        Returns:
            The sentences that were told.
        """

        async def deed() -> None:
            await self._go(link, action)
            name = next((name for name in self._widgets if name in ("upload_file", "ood_uploads_0")), "upload_file")
            if action.failure or name not in self._widgets:
                action.failure = action.failure or "no uploader"
                return
            sent = []
            for ending, content in files:
                self._uploads += 1
                title = f"ownedby{self.number:04}n{self._uploads:05}x.{ending}"
                if (info := await self._send(title, content, action)) is None:
                    return
                sent.append(info)
            several = self._widgets[name].element.multiple_files
            old = self._files.get(name, [])
            self._files[name] = [*old, *sent] if several else sent

            def put(_: Any, state: WidgetState) -> None:
                state.file_uploader_state_value.uploaded_file_info.extend(self._files[name])

            if unlike:
                self._unlike |= {info.name.partition(".")[0] for info in sent}
            self._said, self._names = [], {info.name.partition(".")[0] for info in sent}
            await self.touch(name, put, action)
            if len(self._names) > len(self._said) and not action.failure:
                action.failure = "upload: neither taken nor told"
            if not several:
                await asyncio.gather(*(self._delete(info) for info in old))

        await self._attempt(action, deed)
        return self._said

    async def _delete(self, info: UploadedFileInfo) -> None:
        assert self._http is not None
        async with self._http.delete(self.url + info.file_urls.delete_url, headers=self._token()) as answer:
            await answer.read()
