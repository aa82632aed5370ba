"""Checks that a result is JSON that callers can be given verbatim."""

from __future__ import annotations

import asyncio

from runwright.domain.text import strict_json

_LONG = 100_000


async def check(text: str) -> None:
    """Raise ValueError unless the text is JSON; a long one is checked in a thread, to not block other Attempts."""
    is_json = _is_json(text) if len(text) < _LONG else await asyncio.to_thread(_is_json, text)
    if not is_json:
        raise ValueError("the result is not JSON")


def _is_json(text: str) -> bool:
    """True when a result can be passed to callers verbatim: ASCII-only, strict JSON."""
    try:
        strict_json.check(text)
    except ValueError:
        return False
    return text.isascii()
