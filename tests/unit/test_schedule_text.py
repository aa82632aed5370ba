"""Every form in which a Schedule can be written, and invalid ones."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from runwright.domain.jobs import schedule_fields, schedule_text
from runwright.domain.jobs.schedules import Calendar
from runwright.domain.text.fields import InvalidFields


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (1500, 1.5),
        ("90s", 90),
        ("1h30m", 5400),
        ("2 days", 172800),
        ("1.5 hours", 5400),
        ("1 week 2d", 777600),
        ("250ms", 0.25),
        (0, 0),
        ("3660d", 3660 * 86_400),
    ],
)
def test_durations(value: Any, seconds: float) -> None:
    assert schedule_fields.duration(value) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "value", ["", "x", "5", "1 fortnight", -1, True, 1.5, None, "9" * 12 + "w", 10**400]
)
def test_what_is_no_duration(value: Any) -> None:
    with pytest.raises(ValueError, match="must"):
        schedule_fields.duration(value)


def _calendar(**fields: Any) -> Calendar:
    return schedule_text.parse({"calendars": [fields]}).calendars[0]


def test_what_is_absent_is_utc_without_jitter() -> None:
    found = schedule_text.parse({"intervals": [{"every": "1s"}] * 100})

    assert (found.jitter, found.zone) == (timedelta(0), "UTC")
    assert set(found.intervals) == {timedelta(seconds=1)}
    assert _calendar(year="*").years is None


def test_calendars_are_read_in_the_zone_that_is_named() -> None:
    zone = "Europe/Zurich"

    assert schedule_text.parse({"calendars": [{}], "timeZone": zone}).zone == zone


def test_absent_times_are_zero_and_absent_days_are_all() -> None:
    assert _calendar() == Calendar()


def test_every_form_of_a_field() -> None:
    found = _calendar(
        second=5,
        minute={"start": 10, "end": 30, "step": 10},
        hour=[6, {"start": 8, "end": 10}, {"start": 20, "end": 23, "step": 2}],
        dayOfWeek={"start": "MONDAY", "end": "FRIDAY"},
        month=["JANUARY", {"start": "MARCH", "end": "MAY"}, {"start": 9}],
        dayOfMonth="*",
        year={"start": 2027, "end": 2031, "step": 2},
        comment="not read",
    )
    each = _calendar(hour={"start": 1, "end": 3, "step": 1})

    assert each.hours == (1, 2, 3)
    assert found.seconds == (5,)
    assert found.minutes == (10, 20, 30)
    assert found.hours == (6, 8, 9, 10, 20, 22)
    assert found.days_of_week == {1, 2, 3, 4, 5}
    assert found.months == {1, 3, 4, 5, 9}
    assert found.years == {2027, 2029, 2031}
    assert not found.is_open


def test_numbers_of_days_and_months_are_taken_too() -> None:
    found = _calendar(dayOfWeek={"start": 0, "end": 6, "step": 3}, month={"start": 1, "end": 2})

    assert found.days_of_week == {0, 3, 6}
    assert found.months == {1, 2}


@pytest.mark.parametrize(
    ("fields", "is_open"),
    [
        ({"hour": "*"}, True),
        ({"minute": "*", "hour": 3}, True),
        ({"minute": {"start": 0, "end": 59, "step": 15}, "hour": 3}, True),
        ({"minute": [0, 15, 30, 45], "hour": 3}, False),
        ({"second": "*", "minute": 5, "hour": 3}, False),
    ],
)
def test_what_leaves_hour_or_minute_open(fields: dict[str, Any], is_open: bool) -> None:
    assert _calendar(**fields).is_open is is_open


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ([], ""),
        ({}, ""),
        ({"intervals": [{"every": 999}]}, "intervals.0.every"),
        ({"intervals": [{}]}, "intervals.0.every"),
        ({"intervals": "1h"}, "intervals"),
        ({"intervals": [{"every": "1h"}] * 101}, "intervals"),
        ({"calendars": [{"hour": True}]}, "calendars.0.hour"),
        ({"calendars": [{"hour": {"start": 1, "end": 4, "step": 0}}]}, "calendars.0.hour.step"),
        ({"calendars": [{"hour": {"start": 1, "end": 4, "step": 1.5}}]}, "calendars.0.hour.step"),
        ({"calendars": [{"hour": {"start": 1, "end": 4, "step": True}}]}, "calendars.0.hour.step"),
        ({"calendars": [{}], "timeZone": ["UTC"]}, "timeZone"),
        ({"calendars": [{"hour": 24}]}, "calendars.0.hour"),
        ({"calendars": [{"hour": "4"}]}, "calendars.0.hour"),
        ({"calendars": [{"hour": []}]}, "calendars.0.hour"),
        ({"calendars": [{"hour": [1, 77]}]}, "calendars.0.hour.1"),
        ({"calendars": [{"hour": {"start": 5, "end": 4}}]}, "calendars.0.hour.end"),
        ({"calendars": [{"hour": {"start": 5, "step": 2}}]}, "calendars.0.hour.step"),
        ({"calendars": [{"dayOfWeek": "SOMEDAY"}]}, "calendars.0.dayOfWeek"),
        ({"calendars": [{}, {"month": "FEBRUARY", "dayOfMonth": 31}]}, "calendars.1"),
        ({"calendars": [{}], "timeZone": "Europe/Nowhere"}, "timeZone"),
        ({"calendars": [{}], "timeZone": "../etc/passwd"}, "timeZone"),
        ({"calendars": [{}], "jitter": "soon"}, "jitter"),
    ],
)
def test_what_is_no_schedule_is_refused_by_its_field(value: Any, path: str) -> None:
    with pytest.raises(InvalidFields) as caught:
        schedule_text.parse(value)

    assert caught.value.problems[0].path == path
