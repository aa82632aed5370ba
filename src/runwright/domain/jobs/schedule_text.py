"""Parses Schedules from the wire and from a project's files. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, TypeAdapter, model_validator

from runwright.domain.jobs import schedules
from runwright.domain.jobs.schedule_fields import (
    DAY,
    MONTH,
    SIXTY,
    WEEK,
    YEAR,
    YEARS,
    Duration,
    Numbers,
    Part,
    Zone,
)
from runwright.domain.jobs.schedules import Calendar, Schedule
from runwright.domain.text import fields
from runwright.domain.text.fields import Fields

_SHORTEST = timedelta(seconds=1)
_MAX_ITEMS = 100


def _not_too_often(every: timedelta) -> timedelta:
    if every < _SHORTEST:
        raise ValueError("must be at least a second")
    return every


class IntervalBody(Fields):
    """A fixed interval."""

    every: Annotated[Duration, AfterValidator(_not_too_often)]


class CalendarBody(Fields):
    """Calendar times; all parts must match."""

    second: Annotated[Numbers, SIXTY] | None = None
    minute: Annotated[Numbers, SIXTY] | None = None
    hour: Annotated[Numbers, DAY] | None = None
    day_of_week: Annotated[Numbers, WEEK] | None = None
    day_of_month: Annotated[Numbers, MONTH] | None = None
    month: Annotated[Numbers, YEAR] | None = None
    year: Annotated[Numbers, YEARS] | None = None

    def calendar(self) -> Calendar:
        """The Calendar that this body describes."""
        zero = Numbers((0,))
        second, minute, hour = self.second or zero, self.minute or zero, self.hour or zero
        return Calendar(
            seconds=tuple(second.found),
            minutes=tuple(minute.found),
            hours=tuple(hour.found),
            days_of_week=_any_or(self.day_of_week, WEEK),
            days_of_month=_any_or(self.day_of_month, MONTH),
            months=_any_or(self.month, YEAR),
            years=None if self.year is None or self.year.is_open else frozenset(self.year.found),
            is_open=minute.is_open or hour.is_open,
        )

    @model_validator(mode="after")
    def _comes(self) -> Self:
        if not schedules.is_possible(self.calendar()):
            raise ValueError("names a day that never comes")
        return self


class ScheduleBody(Fields):
    """When a Job fires on its own."""

    intervals: list[IntervalBody] = Field(default_factory=list[IntervalBody], max_length=_MAX_ITEMS)
    calendars: list[CalendarBody] = Field(default_factory=list[CalendarBody], max_length=_MAX_ITEMS)
    jitter: Duration | None = None
    time_zone: Zone = "UTC"

    @model_validator(mode="after")
    def _fires(self) -> Self:
        if not self.intervals and not self.calendars:
            raise ValueError("must have an interval or a calendar")
        return self

    def schedule(self) -> Schedule:
        """The Schedule that this body describes."""
        return Schedule(
            intervals=tuple(each.every for each in self.intervals),
            calendars=tuple(each.calendar() for each in self.calendars),
            jitter=self.jitter or timedelta(0),
            zone=self.time_zone,
        )


_SCHEDULE = TypeAdapter(ScheduleBody)


def parse(value: Any) -> Schedule:
    """Parse a Schedule from a JSON value.

    Raises:
        InvalidFields: the value is invalid or could never fire; names each wrong field.
    """
    return fields.read(_SCHEDULE, value).schedule()


def _any_or(numbers: Numbers | None, part: Part) -> frozenset[int]:
    return frozenset((numbers or part.every()).found)
