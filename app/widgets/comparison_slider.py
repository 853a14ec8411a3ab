"""Before and after in one frame: a wipe slider that moves in the browser alone, and the two images for it."""

from __future__ import annotations

import base64
from collections.abc import Iterable

import cv2
import numpy as np
import streamlit as st

from lesion_core.imaging.arrays import Pixels
from lesion_core.imaging.preprocess import Box, Step

SIDE = 900
"""Longest side, in pixels, of an image that is sent to the browser."""
HEIGHT = "max(330px, 41vh)"
"""Largest height of the figure, in CSS: it shares the first screen with its controls."""
GROUND = 236
"""Grey level beside the image, and what the image fades to outside of what was kept."""
_FADE = 0.72

_HTML = """
<div class="wipe">
  <img class="before" alt="" draggable="false"><img class="after" alt="" draggable="false">
  <span class="tag left"></span><span class="tag right"></span>
  <div class="handle" role="slider" tabindex="0" aria-orientation="horizontal" aria-valuemin="0" aria-valuemax="100"
  aria-valuenow="50" aria-label="Wipe between two images"><i></i></div>
</div>
"""

_CSS = """
.wipe { --at: 50%; position: relative; margin: 0 auto; overflow: hidden; cursor: ew-resize; user-select: none;
        -webkit-user-select: none; touch-action: pan-y; border-radius: var(--st-base-radius, 4px); }
.wipe img { position: absolute; inset: 0; width: 100%; height: 100%; display: block; pointer-events: none; }
.after { clip-path: inset(0 0 0 var(--at)); }
.tag { position: absolute; bottom: 8px; padding: 2px 8px; border-radius: 4px; pointer-events: none;
       background: rgba(28, 43, 45, .78); color: #fff; font: 500 .875rem/1.4 var(--st-font, sans-serif); }
.left { left: 8px; } .right { right: 8px; }
.handle { position: absolute; top: 0; bottom: 0; left: var(--at); width: 40px; margin-left: -20px; outline: none; }
.handle::before { content: ""; position: absolute; top: 0; bottom: 0; left: 19px; width: 2px; background: #fff;
                  box-shadow: 0 0 0 1px rgba(28, 43, 45, .55); }
.handle i { position: absolute; top: 50%; left: 2px; width: 36px; height: 36px; margin-top: -18px; border-radius: 50%;
            box-sizing: border-box; background: #fff; border: 2px solid var(--st-primary-color, #0b6e75); }
.handle i::before, .handle i::after { content: ""; position: absolute; top: 11px; border: 5px solid transparent; }
.handle i::before { left: 2px; border-right-color: var(--st-primary-color, #0b6e75); }
.handle i::after { right: 2px; border-left-color: var(--st-primary-color, #0b6e75); }
.handle:focus-visible i { box-shadow: 0 0 0 4px var(--st-primary-color, #0b6e75); }
"""

# The function runs again whenever the data changes; handlers are properties, so that they are replaced, not added,
# and the position stays on the element.
_JS = """
export default function ({ data, parentElement }) {
  const root = parentElement.querySelector('.wipe');
  const handle = root.querySelector('.handle');
  const show = (img, uri, alt) => {
    if (uri.startsWith('data:image/') && img.src !== uri) img.src = uri;
    img.alt = alt;
  };
  show(root.querySelector('.before'), data.before, data.beforeAlt);
  show(root.querySelector('.after'), data.after, data.afterAlt);
  root.querySelector('.left').textContent = data.beforeLabel;
  root.querySelector('.right').textContent = data.afterLabel;
  handle.setAttribute('aria-label', data.label);
  root.style.aspectRatio = `${data.width} / ${data.height}`;
  root.style.width = `min(100%, calc(${data.maxHeight} * ${data.width / data.height}))`;

  const place = (value) => {
    const at = Math.min(100, Math.max(0, value));
    root.dataset.at = at;
    root.style.setProperty('--at', at + '%');
    handle.setAttribute('aria-valuenow', Math.round(at));
    handle.setAttribute('aria-valuetext', `${Math.round(at)} % ${data.beforeLabel}, the rest ${data.afterLabel}`);
  };
  const follow = (event) => {
    const box = root.getBoundingClientRect();
    place(100 * (event.clientX - box.left) / box.width);
  };
  root.onpointerdown = (event) => {
    if (event.button !== 0) return;
    root.setPointerCapture(event.pointerId);
    handle.focus({ preventScroll: true });
    follow(event);
    event.preventDefault();
  };
  root.onpointermove = (event) => { if (root.hasPointerCapture(event.pointerId)) follow(event); };
  handle.onkeydown = (event) => {
    const at = Number(root.dataset.at);
    const step = event.shiftKey ? 10 : 2;
    const to = { ArrowLeft: at - step, ArrowDown: at - step, ArrowRight: at + step, ArrowUp: at + step,
                 PageDown: at - 10, PageUp: at + 10, Home: 0, End: 100 }[event.key];
    if (to === undefined) return;
    place(to);
    event.preventDefault();
    event.stopPropagation();
  };
  place(root.dataset.at === undefined ? 50 : Number(root.dataset.at));
}
"""

_COMPONENT = st.components.v2.component("wipe", html=_HTML, css=_CSS, js=_JS)


def data_uri(image: Pixels, quality: int = 92) -> str:
    """The image as a JPEG in a ``data:`` address.

    Args:
        image: (H, W, 3) uint8 RGB.
        quality: JPEG quality, 1 to 100.
    """
    encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode("ascii")


def kept_box(shape: tuple[int, ...], steps: Iterable[Step]) -> Box:
    """What the image after these steps shows of the original.

    Args:
        shape: Of the original, (H, W, ...).
        steps: The first steps of a pipeline, in their order.

    Returns:
        (x0, y0, x1, y1) in pixels of the original; it exceeds the image where a step has mirrored its borders.
    """
    height, width = shape[:2]
    x0, y0, x1, y1 = 0.0, 0.0, float(width), float(height)
    for step in steps:
        if step.box is not None:
            # A step's box is in pixels of the image before it.
            x, y = (x1 - x0) / width, (y1 - y0) / height
            left, top, right, bottom = step.box
            x0, y0, x1, y1 = x0 + left * x, y0 + top * y, x0 + right * x, y0 + bottom * y
        height, width = step.image.shape[:2]
    return x0, y0, x1, y1


def in_one_frame(original: Pixels, processed: Pixels, box: Box, side: int = SIDE) -> tuple[Pixels, Pixels]:
    """Both images at one size, each part of the skin in one place.

    The frame is the original with what the processed image shows beyond it. The original is faded where the
    processed image shows nothing.

    Args:
        original: (H, W, 3) uint8 RGB.
        processed: (h, w, 3) uint8 RGB.
        box: What the processed image shows, in pixels of the original: (x0, y0, x1, y1).
        side: Longest side of the frame at most; larger ones are reduced.

    Returns:
        Before and after, both (H', W', 3) uint8.
    """
    height, width = original.shape[:2]
    left, top = min(0.0, box[0]), min(0.0, box[1])
    right, bottom = max(float(width), box[2]), max(float(height), box[3])
    scale = min(1.0, side / max(right - left, bottom - top))

    def paste(canvas: Pixels, picture: Pixels, x0: float, y0: float, x1: float, y1: float) -> Pixels:
        columns = round((x0 - left) * scale), round((x1 - left) * scale)
        rows = round((y0 - top) * scale), round((y1 - top) * scale)
        size = max(1, columns[1] - columns[0]), max(1, rows[1] - rows[0])
        shrinks = size[0] * size[1] < picture.shape[0] * picture.shape[1]
        part = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
        out = canvas.copy()
        out[rows[0] : rows[0] + size[1], columns[0] : columns[0] + size[0]] = part
        return out

    shape = max(1, round((bottom - top) * scale)), max(1, round((right - left) * scale)), 3
    before = paste(np.full(shape, GROUND, np.uint8), original, 0, 0, width, height)
    faded = np.round(before * (1 - _FADE) + GROUND * _FADE).astype(np.uint8)
    return before, paste(faded, processed, *box)


def wipe(
    before: Pixels, after: Pixels, *, labels: tuple[str, str], alts: tuple[str, str], label: str, key: str
) -> None:
    """Draw two images of one size over each other, with a handle that uncovers one or the other.

    The handle follows pointer and keyboard (arrows, with shift in larger steps, page up and down, home, end) in
    the browser alone: no rerun. Its position outlives a change of the images.

    Args:
        before: (H, W, 3) uint8 RGB, left of the handle.
        after: The same size, right of it.
        labels: A word on each, drawn in its corner.
        alts: What each shows, for those who do not see it.
        label: What the slider does, for screen readers.
        key: The element's key.
    """
    _COMPONENT(
        key=key,
        data={
            "before": data_uri(before),
            "after": data_uri(after),
            "beforeLabel": labels[0],
            "afterLabel": labels[1],
            "beforeAlt": alts[0],
            "afterAlt": alts[1],
            "label": label,
            "width": before.shape[1],
            "height": before.shape[0],
            "maxHeight": HEIGHT,
        },
    )
