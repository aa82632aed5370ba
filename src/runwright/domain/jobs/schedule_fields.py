"""The fields of Schedules: durations, time zones, clock and calendar numbers. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    Field,
    GetCoreSchemaHandler,
    PlainValidator,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, core_schema

from runwright.domain.jobs import schedules
from runwright.domain.text import fields
from runwright.domain.text.fields import Fields

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
_LONGEST = timedelta(days=3660)
_ZONE = "must be a time zone such as `Europe/Zurich`"
_DURATION = "must be milliseconds, or a string such as `90s`, `1h30m` or `2 days`"


def duration(value: Any) -> timedelta:
    """Parse a duration: a number of milliseconds, or a string such as `90s`, `1h30m`, `2 days`.

    Raises:
        ValueError: the value is not a duration, or is too long.
    """
    if fields.is_integer(value) and value >= 0:
        # An integer can be too large to convert to a float.
        seconds = min(value, 10**15) / 1000
    elif isinstance(value, str) and value.strip():
        seconds = _seconds(value.lower())
    else:
        raise ValueError(_DURATION)
    if seconds > _LONGEST.total_seconds():
        raise ValueError("must not be longer than ten years")
    return timedelta(seconds=seconds)


def _seconds(text: str) -> float:
    seconds = 0.0
    while text:
        part = _PART.match(text)
        unit = None if part is None else _UNIT_OF.get(part[2])
        if part is None or unit is None:
            raise ValueError(_DURATION)
        seconds += float(part[1]) * _UNITS[unit].total_seconds()
        text = text[part.end() :]
    return seconds


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(_ZONE)
    return name


@dataclass(frozen=True, slots=True)
class Part:
    """Annotates clock or calendar numbers: `*`, a number, a range, or a list of numbers and ranges."""

    low: int
    high: int
    names: tuple[str, ...] = ()
    """Names for the numbers, starting at `low`."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """The schema that pydantic validates with."""
        one = core_schema.no_info_plain_validator_function(self._one)
        few = core_schema.no_info_after_validator_function(
            self._range, handler.generate_schema(_Range)
        )
        items = core_schema.list_schema(
            core_schema.tagged_union_schema({_ONE: one, _RANGE: few}, _item_form), fail_fast=True
        )
        many = core_schema.no_info_after_validator_function(_merged, items)
        every = core_schema.no_info_plain_validator_function(self.every)
        return core_schema.tagged_union_schema(
            {_EVERY: every, _ONE: one, _RANGE: few, _LIST: many}, _form
        )

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        """The schema in the OpenAPI document."""
        number: dict[str, Any] = {"type": "integer", "minimum": self.low, "maximum": self.high}
        one = {"anyOf": [number, {"enum": list(self.names)}]} if self.names else number
        step = {"type": "integer", "minimum": 1}
        several = {
            "type": "object",
            "properties": {"start": one, "end": one, "step": step},
            "required": ["start"],
        }
        items = {"type": "array", "items": {"anyOf": [one, several]}, "minItems": 1}
        return {"anyOf": [{"const": "*"}, one, several, items]}

    def every(self, _value: Any = "*") -> Numbers:
        """All numbers in range."""
        return Numbers(range(self.low, self.high + 1), is_open=True)

    def _one(self, value: Any) -> Numbers:
        return Numbers((self._number(value),))

    def _range(self, body: _Range) -> Numbers:
        start = self._end(body, "start")
        end = start if body.end is None else self._end(body, "end")
        if end < start:
            raise fields.wrong_at("end", "must not be before the start")
        if body.end is None and body.step is not None:
            raise fields.wrong_at("step", "needs an `end`")
        is_open = (start, end) == (self.low, self.high)
        return Numbers(range(start, end + 1, body.step or 1), is_open=is_open)

    def _end(self, body: _Range, name: str) -> int:
        try:
            return self._number(getattr(body, name))
        except ValueError as error:
            raise fields.wrong_at(name, str(error)) from error

    def _number(self, value: Any) -> int:
        if isinstance(value, str) and value.upper() in self.names:
            return self.low + self.names.index(value.upper())
        if fields.is_integer(value) and self.low <= value <= self.high:
            return value
        names = f", or a name such as `{self.names[1]}`" if self.names else ""
        raise ValueError(f"must be an integer from {self.low} to {self.high}{names}")


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers that a part of a calendar matches."""

    found: Sequence[int]
    """Sorted."""
    is_open: bool = False
    """The part spans its whole range, perhaps in steps."""


def _merged(parts: list[Numbers]) -> Numbers:
    if not parts:
        raise ValueError("must name at least one value")
    return Numbers(sorted({number for part in parts for number in part.found}))


def _form(value: Any) -> str:
    if isinstance(value, list):
        return _LIST
    return _EVERY if value == "*" else _item_form(value)


def _item_form(value: Any) -> str:
    return _RANGE if isinstance(value, dict) else _ONE


_EVERY, _ONE, _RANGE, _LIST = (fields.tag(form) for form in ("every", "one", "range", "list"))
SIXTY, DAY = Part(0, 59), Part(0, 23)
WEEK, MONTH, YEAR = Part(0, 6, _DAYS), Part(1, 31), Part(1, 12, _MONTHS)
YEARS = Part(schedules.FIRST_YEAR, schedules.LAST_YEAR)
Duration = Annotated[
    timedelta,
    PlainValidator(duration),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string"}]}),
]
_Step = Annotated[int, Field(ge=1), fields.Expected("must be an integer of at least 1")]
Zone = Annotated[str, AfterValidator(_known_zone), fields.Expected(_ZONE)]


class _Range(Fields):
    """A range of numbers, optionally with a step; `Part` checks its ends."""

    start: Any
    end: Any = None
    step: _Step | None = None
