"""Reads Schedules as they stand on the wire and in a project's files. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast
from zoneinfo import available_timezones

from runwright.domain.jobs import schedules
from runwright.domain.jobs.schedules import Calendar, Schedule

_DAYS = ("SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY")
_MONTHS = ("JANUARY", "FEBRUARY", "MARCH", "APRIL", "MAY", "JUNE", "JULY", "AUGUST", "SEPTEMBER",
           "OCTOBER", "NOVEMBER", "DECEMBER")  # fmt: skip
_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_UNIT_NAMES = {
    "ms": ("ms", "msec", "millisecond", "milliseconds"),
    "s": ("s", "sec", "secs", "second", "seconds"),
    "m": ("m", "min", "mins", "minute", "minutes"),
    "h": ("h", "hr", "hrs", "hour", "hours"),
    "d": ("d", "day", "days"),
    "w": ("w", "week", "weeks"),
}
_UNIT_OF = {name: unit for unit, names in _UNIT_NAMES.items() for name in names}
_PART = re.compile(r"\s*(\d{1,12}(?:\.\d{1,6})?)\s*([a-z]+)\s*")
_SHORTEST, _LONGEST = timedelta(seconds=1), timedelta(days=3660)
_MAX_ENTRIES = 100


class InvalidSchedule(ValueError):
    """A field of a Schedule is wrong; `path` says which."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path


@dataclass(frozen=True, kw_only=True, slots=True)
class _Field:
    """What a field of a calendar may hold."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    """Names of its values, from `low` on."""


_SECOND, _MINUTE, _HOUR = _Field(name="second", low=0, high=59), _Field(name="minute", low=0, high=59), _Field(name="hour", low=0, high=23)  # fmt: skip
_DAY_OF_WEEK = _Field(name="dayOfWeek", low=0, high=6, names=_DAYS)
_DAY_OF_MONTH = _Field(name="dayOfMonth", low=1, high=31)
_MONTH = _Field(name="month", low=1, high=12, names=_MONTHS)
_YEAR = _Field(name="year", low=schedules.FIRST_YEAR, high=schedules.LAST_YEAR)


def parse(value: Any) -> Schedule:
    """Return the Schedule that a JSON value describes.

    Raises:
        InvalidSchedule: it is none, or could never fire; says which field is wrong.
    """
    body = _object(value, "")
    intervals = _list(body.get("intervals"), "intervals")
    calendars = _list(body.get("calendars"), "calendars")
    if not intervals and not calendars:
        raise InvalidSchedule("", "must have an interval or a calendar")
    jitter = body.get("jitter")
    return Schedule(
        intervals=tuple(
            _every(item, f"intervals.{number}") for number, item in enumerate(intervals)
        ),
        calendars=tuple(
            _calendar(item, f"calendars.{number}") for number, item in enumerate(calendars)
        ),
        jitter=timedelta(0) if jitter is None else duration(jitter, "jitter"),
        zone=_zone(body.get("timeZone")),
    )


def duration(value: Any, path: str) -> timedelta:
    """Return a duration: a number of milliseconds, or a text such as `90s`, `1h30m`, `2 days`.

    Raises:
        InvalidSchedule: it is none.
    """
    message = "must be milliseconds, or a text such as `90s`, `1h30m` or `2 days`"
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        # A whole number may have more digits than a float.
        seconds = min(value, 10**15) / 1000
    elif isinstance(value, str) and value.strip():
        seconds, rest = 0.0, value.lower()
        while rest:
            part = _PART.match(rest)
            unit = None if part is None else _UNIT_OF.get(part[2])
            if part is None or unit is None:
                raise InvalidSchedule(path, message)
            seconds += float(part[1]) * _UNITS[unit].total_seconds()
            rest = rest[part.end() :]
    else:
        raise InvalidSchedule(path, message)
    if seconds > _LONGEST.total_seconds():
        raise InvalidSchedule(path, "must not be longer than ten years")
    return timedelta(seconds=seconds)


def _every(value: Any, path: str) -> timedelta:
    every = duration(_object(value, path).get("every"), f"{path}.every")
    if every < _SHORTEST:
        raise InvalidSchedule(f"{path}.every", "must be at least a second")
    return every


def _calendar(value: Any, path: str) -> Calendar:
    body = _object(value, path)

    def read(field: _Field, default: Sequence[int] | None) -> tuple[tuple[int, ...], bool]:
        given = body.get(field.name)
        if given is None and default is not None:
            return tuple(default), False
        return _values(given if given is not None else "*", field, f"{path}.{field.name}")

    minutes, has_every_minute = read(_MINUTE, (0,))
    hours, has_every_hour = read(_HOUR, (0,))
    found = Calendar(
        seconds=read(_SECOND, (0,))[0],
        minutes=minutes,
        hours=hours,
        days_of_week=frozenset(read(_DAY_OF_WEEK, None)[0]),
        days_of_month=frozenset(read(_DAY_OF_MONTH, None)[0]),
        months=frozenset(read(_MONTH, None)[0]),
        years=None
        if body.get("year") in (None, "*")
        else frozenset(_values(body["year"], _YEAR, f"{path}.year")[0]),
        is_open=has_every_minute or has_every_hour,
    )
    if not schedules.is_possible(found):
        raise InvalidSchedule(path, "names a day that never comes")
    return found


def _values(value: Any, field: _Field, path: str) -> tuple[tuple[int, ...], bool]:
    """Return the values of a field, sorted, and whether they go over all of its range."""
    everything = range(field.low, field.high + 1)
    if value == "*":
        return tuple(everything), True
    if not isinstance(value, list):
        found = _range(value, field, path)
        return tuple(found), _is_whole(value, field, path)
    items = cast("list[Any]", value)
    if not items:
        raise InvalidSchedule(path, "must name at least one value")
    merged: set[int] = set()
    for number, item in enumerate(items):
        merged.update(_range(item, field, f"{path}.{number}"))
    return tuple(sorted(merged)), False


def _range(value: Any, field: _Field, path: str) -> Iterable[int]:
    if not isinstance(value, dict):
        return (_one(value, field, path),)
    body = cast("dict[str, Any]", value)
    start, end, step = _bounds(body, field, path)
    return range(start, end + 1, step)


def _bounds(body: dict[str, Any], field: _Field, path: str) -> tuple[int, int, int]:
    start = _one(body.get("start"), field, f"{path}.start")
    given_end, step = body.get("end"), body.get("step")
    end = start if given_end is None else _one(given_end, field, f"{path}.end")
    if end < start:
        raise InvalidSchedule(f"{path}.end", "must not be before the start")
    if step is None:
        return start, end, 1
    if not isinstance(step, int) or isinstance(step, bool) or step < 1 or given_end is None:
        raise InvalidSchedule(f"{path}.step", "must be a whole number of at least 1, with an `end`")
    return start, end, step


def _is_whole(value: Any, field: _Field, path: str) -> bool:
    if not isinstance(value, dict):
        return False
    start, end, _ = _bounds(cast("dict[str, Any]", value), field, path)
    return (start, end) == (field.low, field.high)


def _one(value: Any, field: _Field, path: str) -> int:
    if isinstance(value, str) and value.upper() in field.names:
        return field.low + field.names.index(value.upper())
    if isinstance(value, int) and not isinstance(value, bool) and field.low <= value <= field.high:
        return value
    names = f", or a name such as `{field.names[1]}`" if field.names else ""
    raise InvalidSchedule(path, f"must be from {field.low} to {field.high}{names}")


def _zone(value: Any) -> str:
    if value is None:
        return "UTC"
    if not isinstance(value, str) or value not in available_timezones():
        raise InvalidSchedule("timeZone", "must be a time zone such as `Europe/Zurich`")
    return value


def _object(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidSchedule(path, "must be an object")
    return cast("dict[str, Any]", value)


def _list(value: Any, path: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list) or len(cast("list[Any]", value)) > _MAX_ENTRIES:
        raise InvalidSchedule(path, f"must be a list of at most {_MAX_ENTRIES} entries")
    return cast("list[Any]", value)
