"""Parses what a Viewer sends: one JSON object per message, within bounds; anything else is dropped."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

_MAX_TEXT_LENGTH = 100_000
_MAX_URL_LENGTH = 8_000
_MAX_KEY_LENGTH = 40
_BUTTONS = ("none", "left", "middle", "right", "back", "forward")
_MOUSE_EVENTS = ("move", "down", "up", "wheel")


class _Bad(Exception):
    """Not a valid message."""


def parse(text: str) -> tuple[str, dict[str, Any]] | None:
    """The kind of a message and its checked details, or None if it is invalid."""
    try:
        body = json.loads(text)
        kind = body["type"]
        return kind, _PARSERS[kind](body)
    except (
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        ArithmeticError,
        RecursionError,
        _Bad,
    ):
        return None


def _nothing(_body: dict[str, Any]) -> dict[str, Any]:
    return {}


def _shown(body: dict[str, Any]) -> dict[str, Any]:
    return {"number": _whole(body["number"], 2**32)}


def _watch(body: dict[str, Any]) -> dict[str, Any]:
    return {"page": _text(body.get("page", ""), _MAX_KEY_LENGTH)}


def _mouse(body: dict[str, Any]) -> dict[str, Any]:
    return {
        "event": _one_of(body["event"], _MOUSE_EVENTS),
        "x": _number(body["x"]),
        "y": _number(body["y"]),
        "button": _one_of(body.get("button", "none"), _BUTTONS),
        "buttons": _whole(body.get("buttons", 0), 31),
        "clicks": _whole(body.get("clicks", 0), 3),
        "modifiers": _whole(body.get("modifiers", 0), 15),
        "dx": _number(body.get("dx", 0)),
        "dy": _number(body.get("dy", 0)),
    }


def _key(body: dict[str, Any]) -> dict[str, Any]:
    return {
        "event": _one_of(body["event"], ("down", "up")),
        "key": _text(body["key"], _MAX_KEY_LENGTH),
        "code": _text(body.get("code", ""), _MAX_KEY_LENGTH),
        "keyCode": _whole(body.get("keyCode", 0), 65_535),
        "location": _whole(body.get("location", 0), 3),
        "modifiers": _whole(body.get("modifiers", 0), 15),
        "repeat": body.get("repeat") is True,
    }


def _choose(body: dict[str, Any]) -> dict[str, Any]:
    return {"place": _whole(body["place"], 10_000)}


def _typed(body: dict[str, Any]) -> dict[str, Any]:
    return {"text": _text(body["text"], _MAX_TEXT_LENGTH)}


def _navigate(body: dict[str, Any]) -> dict[str, Any]:
    url = _text(body["url"], _MAX_URL_LENGTH).strip()
    if "://" not in url:
        url = f"https://{url}"
    # No files of the Worker's machine.
    if urlsplit(url).scheme not in ("http", "https"):
        raise _Bad
    return {"url": url}


_PARSERS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "shown": _shown,
    "ping": _nothing,
    "watch": _watch,
    "take": _nothing,
    "release": _nothing,
    "mouse": _mouse,
    "key": _key,
    "text": _typed,
    "copy": _nothing,
    "choose": _choose,
    "navigate": _navigate,
    "back": _nothing,
    "forward": _nothing,
    "reload": _nothing,
    "close": _nothing,
}


def _text(value: Any, limit: int) -> str:
    if not isinstance(value, str) or len(value) > limit:
        raise _Bad
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _Bad
    return max(-100_000.0, min(100_000.0, float(value)))


def _whole(value: Any, limit: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= limit:
        raise _Bad
    return value


def _one_of(value: Any, known: tuple[str, ...]) -> str:
    if value not in known:
        raise _Bad
    return value
