"""A server on this machine that answers in the form of the ISIC Archive's API, and badly where it is told to."""

from __future__ import annotations

import base64
import io
import json
import re
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import cv2
import numpy as np

LEVELS = {
    "MEL": ("Malignant", "Malignant melanocytic proliferations (Melanoma)", "Melanoma Invasive"),
    "NV": ("Benign", "Benign melanocytic proliferations", "Nevus"),
    "BCC": ("Malignant", "Malignant adnexal epithelial proliferations - Follicular", "Basal cell carcinoma"),
    "AK": ("Indeterminate", "Indeterminate epidermal proliferations", "Solar or actinic keratosis"),
    "BKL": ("Benign", "Benign epidermal proliferations", "Seborrheic keratosis"),
    "DF": ("Benign", "Benign soft tissue proliferations - Fibro-histiocytic", "Dermatofibroma"),
    "VASC": ("Benign", "Benign soft tissue proliferations - Vascular", "Hemangioma"),
    "SCC": ("Malignant", "Malignant epidermal proliferations", "Squamous cell carcinoma, NOS"),
}
"""Levels 1 to 3 of a diagnosis, as isic-metadata writes them."""


def jpeg(number: int) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    return bytes(cv2.imencode(".jpg", cv2.GaussianBlur(pixels, (9, 9), 0))[1])


def mask() -> bytes:
    pixels = np.zeros((48, 64), np.uint8)
    pixels[12:36, 16:48] = 255
    return bytes(cv2.imencode(".png", pixels)[1])


@dataclass
class Archive:
    """What the server has, and how it misbehaves.

    Attributes:
        images: Code of each image, by id.
        facts: Clinical facts that an image has beside its diagnosis, by id.
        licences: Of images that are not under CC-0.
        bad: For a path, what comes in place of the answer, once per entry: a status, or a way to fail.
        page: Records on a page.
        asked: How often each path was asked for.
        queries: The searches.
    """

    images: dict[str, str]
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    licences: dict[str, str] = field(default_factory=dict)
    elsewhere: dict[str, str] = field(default_factory=dict)
    bad: dict[str, list[Any]] = field(default_factory=dict)
    page: int = 2
    asked: Counter[str] = field(default_factory=Counter)
    queries: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    url: str = ""

    @property
    def api(self) -> str:
        return f"{self.url}api/v2/"

    def record(self, name: str) -> dict[str, Any]:
        levels = {f"diagnosis_{i + 1}": word for i, word in enumerate(LEVELS[self.images[name]])}
        data = jpeg(int(name[5:]))
        return {
            "isic_id": name,
            "public": True,
            "copyright_license": self.licences.get(name, "CC-0"),
            "attribution": "Anonymous,\nof a clinic",
            "files": {
                "full": {"url": self.elsewhere.get(name, f"{self.url}images/{name}.jpg"), "size": len(data)},
                "thumbnail_256": {"url": f"{self.url}images/{name}_thumbnail.jpg", "size": 1},
            },
            "metadata": {
                "acquisition": {"pixels_x": 64, "pixels_y": 48, "image_type": "dermoscopic"},
                "clinical": {**levels, "sex": "female", "age_approx": 50, **self.facts.get(name, {})},
            },
        }

    def found(self, query: str) -> list[str]:
        level, words = re.search(r'diagnosis_(\d):"([^"*]*)\*"', query).groups()  # type: ignore[union-attr]
        names = [n for n, code in self.images.items() if LEVELS[code][int(level) - 1].startswith(words)]
        return sorted(names, reverse=True)  # the archive gives the newest first


@contextmanager
def serving(archive: Archive) -> Iterator[Archive]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else each answer waits 40 ms for an acknowledgement

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            archive.asked[parts.path] += 1
            archive.times.append(time.monotonic())
            how = archive.bad.get(parts.path, [])
            way = how.pop(0) if how else None
            status, headers, body = self.answer(parts.path, parse_qs(parts.query))
            if isinstance(way, tuple):
                status, headers, body = way[0], way[1], b"{}"
            elif isinstance(way, bytes):
                status, body = 200, way
            self.send_response(status)
            for key, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(key, value)
            self.end_headers()
            if way == "truncated":
                self.wfile.write(body[: len(body) // 2])
                self.close_connection = True
            elif way == "stalls":
                self.wfile.write(body[:10])
                self.wfile.flush()
                time.sleep(0.3)
                self.close_connection = True
            elif way == "drips":
                for at in range(len(body)):
                    self.wfile.write(body[at : at + 1])
                    self.wfile.flush()
                    time.sleep(0.02)
            else:
                self.wfile.write(body)

        def answer(self, path: str, query: dict[str, list[str]]) -> tuple[int, dict[str, str], bytes]:
            def sent(value: Any) -> tuple[int, dict[str, str], bytes]:
                return 200, {"Content-Type": "application/json"}, json.dumps(value).encode()

            name = (re.search(r"ISIC_\d{7}", path) or [""])[0]
            if path == "/api/v2/images/search/":
                words = query["query"][0]
                start = int(base64.b64decode(query.get("cursor", [""])[0]) or 0)
                if not start:
                    archive.queries.append(words)
                names, end = archive.found(words), start + archive.page
                cursor = base64.b64encode(str(end).encode()).decode()
                following = f"{archive.api}images/search/?cursor={cursor}&query={words}" if end < len(names) else None
                page = [archive.record(one) for one in names[start:end]]
                return sent({"count": len(names), "next": following, "previous": None, "results": page})
            if path == f"/api/v2/images/{name}/" and name in archive.images:
                return sent(archive.record(name))
            if path == f"/images/{name}.jpg" and name in archive.images:
                return 200, {"Content-Type": "image/jpeg"}, jpeg(int(name[5:]))
            if path.startswith("/2017/ISIC-2017_"):
                packed = io.BytesIO()
                with zipfile.ZipFile(packed, "w") as file:
                    for one in archive.images:
                        file.writestr(f"ISIC-2017_Part1/{one}_segmentation.png", mask())
                    file.writestr("../../ISIC_0000001_segmentation.png", mask())
                return 200, {}, packed.getvalue()
            return 404, {}, b'{"detail": "Not Found"}'

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    archive.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield archive
    finally:
        server.shutdown()
        server.server_close()
