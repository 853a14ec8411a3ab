"""The teacher's token into a cookie that no script reads: a page that is reloaded then teaches the same room."""

from __future__ import annotations

import streamlit as st

_JS = """
export default function ({ data }) {
  if (globalThis.lesionLabRoom === data.address) return;
  globalThis.lesionLabRoom = data.address;
  const body = JSON.stringify({ token: data.token });
  fetch(data.address, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body })
    .catch(() => { delete globalThis.lesionLabRoom; });
}
"""
_COMPONENT = st.components.v2.component("teacher_cookie", html="<span hidden></span>", js=_JS)


def keep_token(address: str, token: str) -> None:
    """Have the browser keep a token.

    Args:
        address: The route that puts it into a cookie.
        token: The teacher's.
    """
    _COMPONENT(key="teacher-cookie", data={"address": address, "token": token}, height=1)
