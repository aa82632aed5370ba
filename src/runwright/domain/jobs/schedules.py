"""When a Schedule fires. Pure: the time is an argument.

A Schedule is a union of intervals, anchored at the Unix epoch, and calendars, read in its time zone.
At clock changes it follows the rule of Debian's cron. A calendar that names both hour and minute fires
once on its day whatever the clock does: what falls into a gap fires at the gap's end, and what comes
twice fires the first time. One that leaves hour or minute open keeps to real time: what falls into a
gap does not come, and what comes twice comes twice.
"""

from __future__ import annotations

import hashlib
import itertools
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)
FIRST_YEAR, LAST_YEAR = 1970, 2199
_ON_TIME = timedelta(seconds=10)
"""A firing that is no later is late; one that is later was missed."""
_MADE_UP_FOR = timedelta(minutes=1)
_CYCLE_YEARS = 40
"""In so many years every date that can come has come on every day of the week."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Calendar:
    """Moments by the fields of a clock and a calendar; all must fit."""

    seconds: tuple[int, ...] = (0,)
    """Sorted, as all of them."""
    minutes: tuple[int, ...] = (0,)
    hours: tuple[int, ...] = (0,)
    days_of_week: frozenset[int] = frozenset(range(7))
    """0 is Sunday."""
    days_of_month: frozenset[int] = frozenset(range(1, 32))
    months: frozenset[int] = frozenset(range(1, 13))
    years: frozenset[int] | None = None
    """None: every year."""
    is_open: bool = False
    """Hour or minute is left open: it keeps to real time at clock changes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """When a Job fires by itself."""

    intervals: tuple[timedelta, ...] = ()
    calendars: tuple[Calendar, ...] = ()
    jitter: timedelta = timedelta(0)
    """Each firing is put off by up to so long."""
    zone: str = "UTC"
    """An IANA name; the calendars are read there."""


def next_after(schedule: Schedule, now: datetime) -> datetime | None:
    """Return the first firing after a moment, in UTC and without jitter; None when there is none."""
    zone = ZoneInfo(schedule.zone)
    found = [_next_interval(every, now) for every in schedule.intervals]
    found += [
        moment
        for calendar in schedule.calendars
        if (moment := _next_of(calendar, zone, now)) is not None
    ]
    return min(found, default=None)


def upcoming(schedule: Schedule, now: datetime, count: int) -> list[datetime]:
    """Return the next firings after a moment, in UTC and without jitter."""
    found: list[datetime] = []
    moment: datetime | None = now
    while len(found) < count and (moment := next_after(schedule, moment)) is not None:
        found.append(moment)
    return found


def latest_before(schedule: Schedule, first: datetime, now: datetime) -> datetime:
    """Return the last firing that is not after now, of those from `first`, which is one."""
    last = first
    window = now - timedelta(minutes=1)
    if last < window:
        # What is older is not made up for, so there is no need to go through it.
        following = next_after(schedule, window)
        if following is None or following > now:
            return last
        last = following
    while (following := next_after(schedule, last)) is not None and following <= now:
        last = following
    return last


def put_off(schedule: Schedule, job: str, firing: datetime) -> datetime:
    """Return when a firing happens: the same for the same Job and firing, however often it is asked."""
    if not schedule.jitter:
        return firing
    seen = hashlib.sha256(f"{job} {firing.timestamp()}".encode()).digest()
    share = int.from_bytes(seen[:6]) / 2**48
    return firing + schedule.jitter * share


def due(
    schedule: Schedule, job: str, firing: datetime, now: datetime
) -> tuple[datetime | None, datetime | None]:
    """Return which firing happens now, and the one after it.

    `firing` is the one that was waited for, whose moment has come. Those that were missed are not
    made up for, except the last one if it is younger than a minute.
    """
    if now - put_off(schedule, job, firing) <= _ON_TIME:
        return firing, next_after(schedule, firing)
    last = latest_before(schedule, firing, now - schedule.jitter)
    following = next_after(schedule, last)
    while following is not None and put_off(schedule, job, following) <= now:
        last, following = following, next_after(schedule, following)
    is_young = now - put_off(schedule, job, last) <= _MADE_UP_FOR
    return last if is_young else None, following


def is_possible(calendar: Calendar) -> bool:
    """Return whether there is any day that fits: 31 February is none."""
    years = calendar.years or range(2000, 2000 + _CYCLE_YEARS)
    return any(True for year in years for _ in _days(calendar, year))


def _next_interval(every: timedelta, now: datetime) -> datetime:
    return _EPOCH + ((now - _EPOCH) // every + 1) * every


def _next_of(calendar: Calendar, zone: ZoneInfo, now: datetime) -> datetime | None:
    # A day earlier, because the end of a gap may belong to the day after it.
    first = now.astimezone(zone).date() - _DAY
    after_day = _open_after if calendar.is_open else _fixed_after
    for day in _dates(calendar, first):
        found = after_day(calendar, zone, day, now)
        if found is not None:
            return found
    return None


def _fixed_after(calendar: Calendar, zone: ZoneInfo, day: date, now: datetime) -> datetime | None:
    """Return the first firing after now of those that the day's wall clock names, each once."""
    for hour, minute in itertools.product(calendar.hours, calendar.minutes):
        last = _instant(datetime.combine(day, time(hour, minute, calendar.seconds[-1])), zone)
        if last <= now:
            continue
        for second in calendar.seconds:
            moment = _instant(datetime.combine(day, time(hour, minute, second)), zone)
            if moment > now:
                return moment
    return None


def _open_after(calendar: Calendar, zone: ZoneInfo, day: date, now: datetime) -> datetime | None:
    """Return the first instant after now at which the day's wall clock shows a time that fits."""
    earliest = now.replace(microsecond=0) + _SECOND
    for begin, end in _stretches(zone, day):
        if end <= earliest:
            continue
        first = max(begin, earliest)
        offset = _offset(zone, first)
        wall = (first + offset).replace(tzinfo=None)
        found = _next_time(calendar, wall.time())
        if found is None:
            continue
        moment = datetime.combine(wall.date(), found, tzinfo=UTC) - offset
        if moment < end:
            return moment
    return None


def _stretches(zone: ZoneInfo, day: date) -> list[tuple[datetime, datetime]]:
    """Return the stretches of real time that a day has there, each with one offset from UTC, in order.

    A day whose clock is put back over midnight comes in two parts.
    """
    begin = datetime.combine(day, time(), tzinfo=UTC) - _DAY
    end = begin + 3 * _DAY
    marks = [begin, *_changes(zone, begin, end), end]
    found: list[tuple[datetime, datetime]] = []
    for first, last in itertools.pairwise(marks):
        offset = _offset(zone, first)
        day_begin = datetime.combine(day, time(), tzinfo=UTC) - offset
        low, high = max(first, day_begin), min(last, day_begin + _DAY)
        if low < high:
            found.append((low, high))
    return found


def _changes(zone: ZoneInfo, begin: datetime, end: datetime) -> list[datetime]:
    """Return the instants between at which the offset from UTC changes."""
    found: list[datetime] = []
    step = timedelta(hours=6)
    moment = begin
    while moment < end:
        if _offset(zone, moment) != _offset(zone, moment + step):
            found.append(_change(zone, moment, moment + step))
        moment += step
    return found


def _change(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """Return the one instant between at which the offset changes, to the second."""
    old = _offset(zone, before)
    while after - before > _SECOND:
        middle = before + ((after - before) // 2 // _SECOND) * _SECOND
        if _offset(zone, middle) == old:
            before = middle
        else:
            after = middle
    return after


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta(0)


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return when the wall clock shows that: the first time, or the end of the gap that it is in."""
    early = wall.replace(tzinfo=zone, fold=0)
    late = wall.replace(tzinfo=zone, fold=1)
    first = early.astimezone(UTC)
    if early.utcoffset() == late.utcoffset():
        return first
    if first.astimezone(zone).replace(tzinfo=None) == wall:
        return first
    # In a gap: read with the offset after it the time comes before the change, with the one before after.
    return _change(zone, late.astimezone(UTC), first)


def _next_time(calendar: Calendar, wall: time) -> time | None:
    """Return the first time of a day that fits and is not before the given one."""
    for hour in calendar.hours[bisect_left(calendar.hours, wall.hour) :]:
        is_same_hour = hour == wall.hour
        for minute in _from(calendar.minutes, wall.minute if is_same_hour else 0):
            is_same_minute = is_same_hour and minute == wall.minute
            for second in _from(calendar.seconds, wall.second if is_same_minute else 0):
                return time(hour, minute, second)
    return None


def _from(values: Sequence[int], least: int) -> Sequence[int]:
    return values[bisect_left(values, least) :]


def _dates(calendar: Calendar, first: date) -> Iterator[date]:
    for year in range(max(first.year, FIRST_YEAR), LAST_YEAR + 1):
        if calendar.years is None or year in calendar.years:
            yield from (day for day in _days(calendar, year) if day >= first)


def _days(calendar: Calendar, year: int) -> Iterator[date]:
    for month in sorted(calendar.months):
        for number in sorted(calendar.days_of_month):
            try:
                day = date(year, month, number)
            except ValueError:
                continue
            if day.isoweekday() % 7 in calendar.days_of_week:
                yield day
