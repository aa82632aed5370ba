"""JSON as everybody can read it: what Python's reader takes besides is refused, wherever it comes from."""

from __future__ import annotations

import json
import math
import re
from typing import Any

_MAYBE_TOO_LARGE = re.compile(r"[0-9][eE]\+?[0-9]{3}|[0-9]{200}")
"""Stands in every text with a number that no float holds, and in few others."""


def read(text: str) -> Any:
    """Parse JSON.

    Raises:
        ValueError: it is not JSON, is nested too deeply, or holds NaN, an infinity, a number that is too large
            for any (`1e999`), or half of a surrogate pair.
    """
    value = _parsed(text)
    if "\\u" in text or not text.isascii():
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    return value


def check(text: str) -> None:
    """See whether a text is JSON; halves of surrogate pairs are: sites have them, and each side escapes them.

    Raises:
        ValueError: it is not JSON, as above.
    """
    _parsed(text)


def _parsed(text: str) -> Any:
    # A function for each float costs more than all the rest.
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
