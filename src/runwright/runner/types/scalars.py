"""Standard library types that are a single value in JSON: their schemas and conversions in one table."""

from __future__ import annotations

import ipaddress
import re
import uuid
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from enum import Enum, Flag
from pathlib import Path, PosixPath, PurePath, PurePosixPath
from types import NoneType
from typing import Any, cast

from runwright.runner.types.shapes import ANYTHING, Read, Shape, misfit

NUMBER = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,4})?$"
_CLOCK = re.compile(r"[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[+-][0-9]{2}:?[0-9]{2})?")
_DURATION = re.compile(
    r"([+-])?P(?=[\dT])(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?"
    r"(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d{1,9})?)S)?)?"
)
_YEAR_DAYS, _MONTH_DAYS = 365, 30


def shape(kind: Any) -> Shape | None:
    """The shape of a type that is a single value; None for any other."""
    if (found := _TABLE.get(kind)) is not None:
        return found
    if isinstance(kind, type) and issubclass(kind, Flag):
        return _flag(kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return choice([(each.value, each) for each in kind], title=kind.__name__)
    return None


def choice(options: list[tuple[Any, Any]], title: str | None = None) -> Shape:
    """The shape of a choice among JSON values, each paired with its Python value."""
    values: list[Any] = [
        [*cast("tuple[Any, ...]", value)] if isinstance(value, tuple) else value
        for value, _ in options
    ]
    if not all(_is_json(value) for value in values):
        return ANYTHING
    said = ", ".join(repr(value) for value in values)

    def read(value: Any, path: str) -> Any:
        for option, (_, meaning) in zip(values, options, strict=True):
            if _is_same(value, option):
                return meaning
        raise misfit(path, f"must be one of {said}")

    return Shape({**({"title": title} if title else {}), "enum": values}, read)


def _is_json(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_json(each) for each in cast("list[Any]", value))
    return value is None or isinstance(value, (str, int, float))


def _is_same(value: Any, option: Any) -> bool:
    """Compare as JSON does, where true is not 1."""
    return value == option and isinstance(value, bool) == isinstance(option, bool)


def _flag(kind: type[Flag]) -> Shape:
    highest = 0
    for each in kind:
        highest |= each.value

    def read(value: Any, path: str) -> Any:
        number = _whole(value, path)
        if not 0 <= number <= highest or number & ~highest:
            raise misfit(path, f"must be a combination of {', '.join(str(e.value) for e in kind)}")
        return kind(number)

    return Shape(
        {"type": "integer", "title": kind.__name__, "minimum": 0, "maximum": highest}, read
    )


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise misfit(path, "must be a string")
    return value


def _whole(value: Any, path: str) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise misfit(path, "must be an integer")
    return value


def _number(value: Any, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise misfit(path, "must be a number")
    return float(value)


def _yes_or_no(value: Any, path: str) -> bool:
    if not isinstance(value, bool):
        raise misfit(path, "must be true or false")
    return value


def _nothing(value: Any, path: str) -> None:
    if value is not None:
        raise misfit(path, "must be null")


def _decimal(value: Any, path: str) -> Decimal:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Decimal(str(value))
    if isinstance(value, str) and re.fullmatch(NUMBER, value):
        try:
            return Decimal(value)
        except InvalidOperation:
            pass
    raise misfit(path, 'must be a number, or a string such as "1.50"')


def _from_text(make: Callable[[str], Any], expected: str) -> Read:
    """Build a reader that makes an instance from a string."""

    def read(value: Any, path: str) -> Any:
        try:
            return make(_text(value, path))
        except (ValueError, OverflowError) as error:
            raise misfit(path, f"must be {expected}") from error

    return read


def _date(text: str) -> date:
    if len(text) != len("2026-01-31"):
        raise ValueError(text)
    return date.fromisoformat(text)


def _time(text: str) -> time:
    if not _CLOCK.fullmatch(text.upper()):
        raise ValueError(text)
    return time.fromisoformat(text.upper())


def _datetime(text: str) -> datetime:
    _date(text[:10])
    if not _CLOCK.fullmatch(text[11:].upper()):
        raise ValueError(text)
    return datetime.fromisoformat(text.upper())


def _duration(text: str) -> timedelta:
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(text)
    sign, years, months, weeks, days, hours, minutes, seconds = found.groups(default="0")
    length = timedelta(
        days=int(years) * _YEAR_DAYS + int(months) * _MONTH_DAYS + int(days),
        weeks=int(weeks),
        hours=int(hours),
        minutes=int(minutes),
        seconds=float(seconds),
    )
    return -length if sign == "-" else length


def _uuid(text: str) -> uuid.UUID:
    found = uuid.UUID(text)
    if str(found) != text.lower():
        raise ValueError(text)
    return found


def _path_to(kind: type[PurePath]) -> Shape:
    return Shape({"type": "string", "format": "path"}, _from_text(kind, "a path"))


def _formatted(format_: str, make: Callable[[str], Any], expected: str) -> Shape:
    return Shape({"type": "string", "format": format_}, _from_text(make, expected))


_TABLE: dict[Any, Shape] = {
    str: Shape({"type": "string"}, _text),
    int: Shape({"type": "integer"}, _whole),
    float: Shape({"type": "number"}, _number),
    bool: Shape({"type": "boolean"}, _yes_or_no),
    NoneType: Shape({"type": "null"}, _nothing),
    None: Shape({"type": "null"}, _nothing),
    bytes: Shape({"type": "string", "format": "binary"}, _from_text(str.encode, "a string")),
    Any: ANYTHING,
    object: ANYTHING,
    Decimal: Shape(
        {"anyOf": [{"type": "number"}, {"type": "string", "pattern": NUMBER}]}, _decimal
    ),
    datetime: _formatted("date-time", _datetime, "a time such as 2026-01-31T12:00:00Z"),
    date: _formatted("date", _date, "a date such as 2026-01-31"),
    time: _formatted("time", _time, "a time of day such as 12:00:00"),
    timedelta: _formatted("duration", _duration, "a duration such as PT1H30M"),
    uuid.UUID: _formatted("uuid", _uuid, "a UUID"),
    ipaddress.IPv4Address: _formatted("ipv4", ipaddress.IPv4Address, "an IPv4 address"),
    ipaddress.IPv6Address: _formatted("ipv6", ipaddress.IPv6Address, "an IPv6 address"),
    **{each: _path_to(each) for each in (PurePath, PurePosixPath, Path, PosixPath)},
}
"""Shapes by type."""
