"""Strict JSON: rejects what Python's parser accepts beyond the standard, whatever the source."""

from __future__ import annotations

import json
import math
import re
from typing import Any

_MAYBE_TOO_LARGE = re.compile(r"[0-9][eE]\+?[0-9]{3}|[0-9]{200}")
"""Matches every text that contains a number too large for a float, and few others."""


def read(text: str) -> Any:
    """Parse JSON.

    Raises:
        ValueError: it is not JSON, is nested too deeply, or contains NaN, an infinity, a number too large for a
            float (`1e999`), or a lone surrogate.
    """
    value = _parsed(text)
    if "\\u" in text or not text.isascii():
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    return value


def check(text: str) -> None:
    """Check that a text is JSON. Lone surrogates are allowed: sites contain them, and both sides escape them.

    Raises:
        ValueError: it is not JSON, as in `read`.
    """
    _parsed(text)


def _parsed(text: str) -> Any:
    # Calling a function for each float costs more than everything else.
    number = _finite if _MAYBE_TOO_LARGE.search(text) else None
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=number)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]} is larger than a number can be")
    return value


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
