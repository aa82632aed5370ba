"""Encodes the author's values as JSON, like `json.dumps` but with support for dates, models and the like.

The fast path encodes everything at the speed of `json.dumps`. Only a value that fails is walked, to name the
part that JSON cannot represent and what to write instead.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
import uuid
from collections.abc import Callable, Iterable
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any, cast

from runwright.sdk.json_advice import instead, key_instead, no_number

MAX_DEPTH = 500
"""Maximum nesting of lists and objects: few JSON readers accept more."""
_MAX_PATH_LENGTH = 300
_NAME = re.compile(r"[^\W\d]\w*")
_STRING = re.compile(rb'"[^"]*"')
_NEITHER_BRACKET_NOR_QUOTE = bytes(set(range(256)) - set(b'[]{}"'))


class Unencodable(TypeError, ValueError):
    """JSON cannot represent a value; the message names it and says what to write instead."""

    def __init__(self, path: str, reason: str, *, is_no_number: bool = False) -> None:
        path = path if len(path) <= _MAX_PATH_LENGTH else f"{path[:_MAX_PATH_LENGTH]}…"
        super().__init__(f"`{path}` {reason}")
        self.path = path
        """For example `result.rows[3]`."""
        self.is_no_number = is_no_number
        """The value is NaN or an infinity."""


class _Unknown(Exception):
    """The type has no conversion to JSON."""


def encode(value: Any, name: str) -> str:
    """The value as ASCII-escaped JSON; `name` starts its path in errors.

    Raises:
        Unencodable: JSON cannot represent some part of it.
    """
    try:
        text = _ENCODER.encode(value)
        if not _is_too_deep(text):
            return text
        cause: Exception = RecursionError(f"it is nested deeper than {MAX_DEPTH} levels")
    except Exception as error:  # noqa: BLE001 - the author's objects may raise anything
        cause = error
    try:
        _walk(value, name, ())
    except Unencodable:
        raise
    except Exception as error:  # noqa: BLE001 - as above
        cause = error
    raise Unencodable(name, f"cannot be written as JSON: {_told(cause)}") from cause


def _plain(value: Any) -> Any:
    """A value closer to JSON, for one that is not a `str`, `float`, `list` and the like."""
    kind = cast("type[Any]", type(value))
    if isinstance(value, type):
        raise _Unknown
    for is_kind, convert in _CONVERSIONS:
        if is_kind(kind):
            return convert(value)
    raise _Unknown


def _is_model(kind: type[Any]) -> bool:
    return hasattr(kind, "model_fields") and callable(getattr(kind, "model_dump", None))


def _is_older_model(kind: type[Any]) -> bool:
    return hasattr(kind, "__fields__") and hasattr(kind, "parse_obj") and hasattr(kind, "json")


def _is_model_dataclass(kind: type[Any]) -> bool:
    return dataclasses.is_dataclass(kind) and hasattr(kind, "__pydantic_serializer__")


def _fields(value: Any) -> dict[str, Any]:
    return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}


def _of(*kinds: type[Any]) -> Callable[[type[Any]], bool]:
    return lambda kind: issubclass(kind, kinds)


_CONVERSIONS: tuple[tuple[Callable[[type[Any]], bool], Callable[[Any], Any]], ...] = (
    (_is_model, lambda value: value.model_dump(mode="json", by_alias=True)),
    (_is_older_model, lambda value: json.loads(value.json(by_alias=True))),
    (
        _is_model_dataclass,
        lambda value: value.__pydantic_serializer__.to_python(value, mode="json", by_alias=True),
    ),
    (dataclasses.is_dataclass, _fields),
    (_of(Enum), lambda value: value.value),
    (_of(datetime, date, time), lambda value: value.isoformat()),
    (_of(uuid.UUID, PurePath, Decimal), str),
)
"""Types supported beyond JSON's own: a test, and a conversion."""


def _default(value: Any) -> Any:
    if _is_missing(value):
        raise _Unknown
    return _plain(value)


_ENCODER = json.JSONEncoder(
    ensure_ascii=True, allow_nan=False, separators=(",", ":"), default=_default
)


def _is_missing(value: Any) -> bool:
    """True for a non-value of its type: `NaT`, `Decimal("NaN")`, `Decimal("Infinity")`."""
    if isinstance(value, Decimal):
        return not value.is_finite()
    return isinstance(value, (datetime, date)) and value != value  # noqa: PLR0124


def _is_too_deep(text: str) -> bool:
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    without_escapes = text.replace("\\\\", "").replace('\\"', "").encode()
    brackets = without_escapes.translate(None, _NEITHER_BRACKET_NOR_QUOTE).replace(b'""', b"")
    brackets = _STRING.sub(b"", brackets) if b'"' in brackets else brackets
    for _ in range(MAX_DEPTH):
        # Each round removes the innermost level.
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if not brackets:
            return False
    return True


def _walk(value: Any, path: str, holders: tuple[int, ...]) -> None:
    """Raise for the first value inside that JSON cannot represent."""
    if isinstance(value, (str, int, float)) or value is None:
        _check_scalar(value, path)
        return
    if id(value) in holders:
        raise Unencodable(path, "contains itself")
    if len(holders) >= MAX_DEPTH:
        raise Unencodable(path, f"is nested deeper than {MAX_DEPTH} levels")
    for item, item_path in _inside(value, path):
        _walk(item, item_path, (*holders, id(value)))


def _check_scalar(value: str | float | None, path: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise Unencodable(path, no_number(value), is_no_number=True)
    if isinstance(value, int):
        try:
            int.__repr__(value)
        except ValueError as error:
            raise Unencodable(path, f"cannot be written as JSON: {error}") from error


def _inside(value: Any, path: str) -> Iterable[tuple[Any, str]]:
    """The contents of a value, or of its converted form, each with its path."""
    if isinstance(value, dict):
        items = cast("dict[Any, Any]", value)
        return [(item, f"{path}{_step(key, path)}") for key, item in items.items()]
    if isinstance(value, (list, tuple)):
        entries = cast("list[Any]", value)
        return [(item, f"{path}[{index}]") for index, item in enumerate(entries)]
    if _is_missing(value):
        is_no_number = isinstance(value, Decimal)
        raise Unencodable(path, no_number(value), is_no_number=is_no_number)
    try:
        return [(_plain(value), path)]
    except _Unknown:
        raise Unencodable(path, instead(value)) from None
    except Exception as error:
        if _is_model(cast("type[Any]", type(value))):
            # In the model's Python form the offending value has a path.
            _walk(_python_form(value), path, (id(value),))
        raise Unencodable(path, f"cannot be written as JSON: {_told(error)}") from error


def _python_form(model: Any) -> Any:
    try:
        return model.model_dump(mode="python", by_alias=True)
    except Exception:  # noqa: BLE001 - the first error is the one to report
        return None


def _step(key: Any, path: str) -> str:
    if isinstance(key, str):
        return f".{key}" if _NAME.fullmatch(key) else f"[{json.dumps(key, ensure_ascii=False)}]"
    if isinstance(key, float) and not math.isfinite(key):
        raise Unencodable(path, f"has the key {no_number(key)}", is_no_number=True)
    if key is None or isinstance(key, (int, float)):
        return f"[{json.dumps(key)}]"
    raise Unencodable(path, key_instead(key))


def _told(error: Exception) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - even the author's exceptions can raise
        return type(error).__name__
