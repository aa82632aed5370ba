"""When a Schedule fires. Pure: the time is an argument.

A Schedule is a union of intervals, anchored at the Unix epoch, and calendars, read in its time zone.
Clock changes follow the rule of Debian's cron. A calendar that fixes both hour and minute fires once on
its day, whatever the clock does: a time in a gap fires at the end of the gap, and a time that occurs twice
fires the first time. One that leaves the hour or minute open follows real time: a time in a gap is skipped,
and a time that occurs twice fires twice.
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
"""A firing up to this late still runs; an older one counts as missed."""
_MADE_UP_FOR = timedelta(minutes=1)
_CYCLE_YEARS = 40
"""Within this many years, every possible date falls on every day of the week."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Calendar:
    """Times given by clock and calendar fields; all must match."""

    seconds: tuple[int, ...] = (0,)
    """Sorted, like minutes and hours."""
    minutes: tuple[int, ...] = (0,)
    hours: tuple[int, ...] = (0,)
    days_of_week: frozenset[int] = frozenset(range(7))
    """0 is Sunday."""
    days_of_month: frozenset[int] = frozenset(range(1, 32))
    months: frozenset[int] = frozenset(range(1, 13))
    years: frozenset[int] | None = None
    """None: every year."""
    is_open: bool = False
    """The hour or minute is open: the calendar follows real time at clock changes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """When a Job fires on its own."""

    intervals: tuple[timedelta, ...] = ()
    calendars: tuple[Calendar, ...] = ()
    jitter: timedelta = timedelta(0)
    """The maximum delay of each firing."""
    zone: str = "UTC"
    """An IANA name; calendars are read in this zone."""


def next_after(schedule: Schedule, now: datetime) -> datetime | None:
    """The first firing after a moment, in UTC and without jitter, or None."""
    zone = ZoneInfo(schedule.zone)
    found = [_next_interval(every, now) for every in schedule.intervals]
    found += [
        moment
        for calendar in schedule.calendars
        if (moment := _next_of(calendar, zone, now)) is not None
    ]
    return min(found, default=None)


def upcoming(schedule: Schedule, now: datetime, count: int) -> list[datetime]:
    """The next `count` firings after a moment, in UTC and without jitter; fewer if no more follow."""
    found: list[datetime] = []
    moment: datetime | None = now
    while len(found) < count and (moment := next_after(schedule, moment)) is not None:
        found.append(moment)
    return found


def latest_before(schedule: Schedule, first: datetime, now: datetime) -> datetime:
    """The last firing up to and including now; `first` is an earlier firing to start from."""
    last = first
    window = now - timedelta(minutes=1)
    if last < window:
        # Older firings are not made up for, so skip them.
        following = next_after(schedule, window)
        if following is None or following > now:
            return last
        last = following
    while (following := next_after(schedule, last)) is not None and following <= now:
        last = following
    return last


def put_off(schedule: Schedule, job: str, firing: datetime) -> datetime:
    """When a firing happens, jitter included; always the same for the same Job and firing."""
    if not schedule.jitter:
        return firing
    seen = hashlib.sha256(f"{job} {firing.timestamp()}".encode()).digest()
    share = int.from_bytes(seen[:6]) / 2**48
    return firing + schedule.jitter * share


def due(
    schedule: Schedule, job: str, firing: datetime, now: datetime
) -> tuple[datetime | None, datetime | None]:
    """The firing that happens now, if any, and the one after it.

    `firing` is the one that has come due. Missed firings are not made up for, except the last one if it is
    at most a minute old.
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
    """True when any day matches; none does for February 31."""
    years = calendar.years or range(2000, 2000 + _CYCLE_YEARS)
    return any(True for year in years for _ in _days(calendar, year))


def _next_interval(every: timedelta, now: datetime) -> datetime:
    return _EPOCH + ((now - _EPOCH) // every + 1) * every


def _next_of(calendar: Calendar, zone: ZoneInfo, now: datetime) -> datetime | None:
    # Start a day early: a time in a gap may fire on the following day, where the gap ends.
    first = now.astimezone(zone).date() - _DAY
    after_day = _open_after if calendar.is_open else _fixed_after
    for day in _dates(calendar, first):
        found = after_day(calendar, zone, day, now)
        if found is not None:
            return found
    return None


def _fixed_after(calendar: Calendar, zone: ZoneInfo, day: date, now: datetime) -> datetime | None:
    """The first firing after now among the day's wall-clock times, each of which fires once."""
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
    """The first instant after now at which the day's wall clock shows a matching time."""
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
    """The stretches of real time that make up a day in the zone, in order, each with a single UTC offset.

    A day whose clock is set back across midnight comes in two separate parts.
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
    """The instants in the interval at which the UTC offset changes."""
    found: list[datetime] = []
    step = timedelta(hours=6)
    moment = begin
    while moment < end:
        if _offset(zone, moment) != _offset(zone, moment + step):
            found.append(_change(zone, moment, moment + step))
        moment += step
    return found


def _change(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The only instant in the interval at which the UTC offset changes, to the second."""
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
    """The first instant at which the wall clock shows this time, or the end of the gap that it falls in."""
    early = wall.replace(tzinfo=zone, fold=0)
    late = wall.replace(tzinfo=zone, fold=1)
    first = early.astimezone(UTC)
    if early.utcoffset() == late.utcoffset():
        return first
    if first.astimezone(zone).replace(tzinfo=None) == wall:
        return first
    # In a gap: the offset after the gap puts the time before the change, the offset before it puts it after.
    return _change(zone, late.astimezone(UTC), first)


def _next_time(calendar: Calendar, wall: time) -> time | None:
    """The first matching time of day that is not before the given one."""
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
