"""Attributes: labels on a Run that callers can filter by."""

from __future__ import annotations

import json
import math
import re
from datetime import datetime
from typing import Any

from runwright.sdk.context import current

_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_MAX_TEXT = 255
_MAX_LIST = 20
_MAX_KEYS = 64
_MAX_BYTES = 16 * 1024


def set_attribute(key: str, value: Any) -> None:
    """Set an attribute on the Run, kept whether or not the Attempt succeeds.

    The key is a letter followed by up to 63 letters, digits or `_`. The value is a str of at most 255
    characters, an int, a finite float, a bool, an aware datetime, or a list of at most 20 such strings.

    Raises:
        ValueError: the key or value is invalid, or the Run would exceed 64 attributes or 16 KiB.
    """
    attributes = current().attributes
    after = {**attributes, _checked(key): _value(key, value)}
    if len(after) > _MAX_KEYS or len(json.dumps(after)) > _MAX_BYTES:
        raise ValueError(
            f"a run can have at most {_MAX_KEYS} attributes, {_MAX_BYTES} bytes in total"
        )
    attributes[key] = after[key]


def delete_attribute(key: str) -> None:
    """Remove an attribute from the Run, if present.

    Raises:
        ValueError: the key is not a valid attribute name.
    """
    current().attributes.pop(_checked(key), None)


def _checked(key: Any) -> str:
    if not isinstance(key, str) or _KEY.fullmatch(key) is None:
        raise ValueError(f"invalid attribute name: {key!r:.100}")
    return key


def _value(key: str, value: Any) -> Any:
    if isinstance(value, (bool, int)):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, str) and len(value) <= _MAX_TEXT:
        return value
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.isoformat()
    if isinstance(value, list) and len(value) <= _MAX_LIST:  # pyright: ignore[reportUnknownArgumentType]
        items: list[Any] = value  # pyright: ignore[reportUnknownVariableType]
        if all(isinstance(item, str) and len(item) <= _MAX_TEXT for item in items):
            return items
    raise ValueError(f"invalid attribute value: {key} = {value!r:.100}")
