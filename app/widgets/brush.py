"""A brush: paint over a part of an image in the browser; the server hears of it when a stroke ends."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from app.cache.encoded import encoded

GRID = 64
"""Cells per side of the mask that comes back from the browser."""

_HTML = """
<div class="brush">
  <canvas tabindex="0" role="img"></canvas>
  <div class="row"><label>Brush <input type="range" min="2" max="30" value="8" aria-label="Size of the brush"></label>
  <button type="button">Clear</button></div>
</div>
"""

_CSS = """
.brush canvas { width: 100%; display: block; cursor: crosshair; touch-action: none; background-size: cover;
                border-radius: var(--st-base-radius, 4px); }
.row { display: flex; gap: 16px; align-items: center; margin-top: 8px; color: var(--st-text-color, #1c2b2d);
       font: 400 .95rem/1.4 var(--st-font, sans-serif); }
.row label { display: flex; gap: 8px; align-items: center; flex: 1; }
.row input { flex: 1; accent-color: var(--st-primary-color, #0b6e75); }
.row button { border: 1px solid var(--st-border-color, #b9c4c3); border-radius: 4px; padding: 4px 12px; cursor: pointer;
              font: inherit; color: inherit; background: var(--st-background-color, #fff); }
"""

# The mask lives on the element: a rerun of the server must not wipe out what was painted since.
_JS = """
export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector('.brush');
  const canvas = root.querySelector('canvas');
  const size = root.querySelector('input');
  const n = data.grid;
  if (root.dataset.picture !== data.id) { root.dataset.picture = data.id; root.cells = new Uint8Array(n * n); }
  canvas.width = canvas.height = 512;
  if (data.picture.startsWith('data:image/')) canvas.style.backgroundImage = `url(${data.picture})`;
  canvas.setAttribute('aria-label', data.label);
  const context = canvas.getContext('2d');
  const draw = () => {
    context.clearRect(0, 0, 512, 512);
    context.fillStyle = 'rgba(11, 110, 117, .75)';
    const side = 512 / n;
    root.cells.forEach((on, i) => {
      if (on) context.fillRect((i % n) * side, Math.floor(i / n) * side, side + .5, side + .5);
    });
  };
  const paint = (event) => {
    const box = canvas.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width * n, y = (event.clientY - box.top) / box.height * n;
    const r = Number(size.value) / 100 * n / 2 + .5;
    for (let j = Math.max(0, Math.floor(y - r)); j <= Math.min(n - 1, y + r); j++)
      for (let i = Math.max(0, Math.floor(x - r)); i <= Math.min(n - 1, x + r); i++)
        if ((i + .5 - x) ** 2 + (j + .5 - y) ** 2 <= r * r) root.cells[j * n + i] = 1;
    draw();
  };
  const send = () => setStateValue('painted', { id: data.id, cells: Array.from(root.cells).join('') });
  canvas.onpointerdown = (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId); paint(event); event.preventDefault();
  };
  canvas.onpointermove = (event) => { if (canvas.hasPointerCapture(event.pointerId)) paint(event); };
  canvas.onpointerup = send;
  root.querySelector('button').onclick = () => { root.cells.fill(0); draw(); send(); };
  draw();
}
"""

_COMPONENT = st.components.v2.component("brush", html=_HTML, css=_CSS, js=_JS)


def brush(square: NDArray[np.uint8], *, label: str, name: str, key: str) -> NDArray[np.bool_]:
    """Show a square image to paint on.

    Args:
        square: (S, S, 3) uint8 RGB.
        label: What it is for, for screen readers.
        name: Of the image, as its pixels decide it: another one starts unpainted.
        key: The element's key.

    Returns:
        (S, S) bool, what is painted.
    """
    picture = encoded(("brush", name), lambda: square)
    found = _COMPONENT(
        key=key,
        on_painted_change=lambda: None,
        data={
            "picture": "data:image/jpeg;base64," + base64.b64encode(picture).decode("ascii"),
            "id": name,
            "grid": GRID,
            "label": label,
        },
    )
    return painted_mask(getattr(found, "painted", None), name, len(square))


def painted_mask(sent: Any, name: str, side: int) -> NDArray[np.bool_]:
    """The mask (side, side) out of what the browser sent; empty where it is of another image or not of our making."""
    cells = str(sent.get("cells", "")) if isinstance(sent, dict) and sent.get("id") == name else ""
    if len(cells) != GRID * GRID or set(cells) - {"0", "1"}:
        return np.zeros((side, side), bool)
    grid = np.frombuffer(cells.encode(), np.uint8).reshape(GRID, GRID) == ord("1")
    index = np.arange(side) * GRID // side
    return np.asarray(grid[np.ix_(index, index)], dtype=bool)
