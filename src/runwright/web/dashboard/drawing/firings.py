"""Calendar of a Schedule's next firings: five weeks in its time zone, with clock changes marked."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from runwright.domain.jobs import schedules
from runwright.domain.jobs.schedules import Schedule

_WEEKS = 5
_COUNTED = 600
_LISTED = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Day:
    """A day of the calendar."""

    date: date
    count: int
    is_known: bool
    """False if there are more firings than counted."""
    is_past: bool
    times: tuple[str, ...]
    """The first few, in the Schedule's time zone."""
    clock_change: str | None
    """How the clocks change that day, if they do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """When a Schedule fires next."""

    zone: str
    weeks: list[list[Day]]
    next: list[tuple[datetime, str]]
    """The next firings, each with its local time as text."""


def draw(schedule: Schedule, now: datetime | None = None) -> Picture:
    """Draw the calendar of a Schedule from now on."""
    now = now or datetime.now(UTC)
    zone = ZoneInfo(schedule.zone)
    moments = schedules.upcoming(schedule, now, _COUNTED)
    local = [moment.astimezone(zone) for moment in moments]
    today = now.astimezone(zone).date()
    first = today - timedelta(days=today.weekday())
    counts = Counter(moment.date() for moment in local)
    last_known = local[-1].date() if len(local) == _COUNTED else None
    days = [
        _day(first + timedelta(days=number), today, zone, counts, local, last_known)
        for number in range(_WEEKS * 7)
    ]
    return Picture(
        zone=schedule.zone,
        weeks=[days[number : number + 7] for number in range(0, len(days), 7)],
        next=[
            (moment, there.strftime("%a %d %b %Y %H:%M:%S %Z"))
            for moment, there in zip(moments[:_LISTED], local, strict=False)
        ],
    )


def _day(
    day: date,
    today: date,
    zone: ZoneInfo,
    counts: Counter[date],
    local: list[datetime],
    last_known: date | None,
) -> Day:
    times = [
        moment.strftime("%H:%M:%S" if moment.second else "%H:%M")
        for moment in local
        if moment.date() == day
    ]
    return Day(
        date=day,
        count=counts[day],
        is_known=last_known is None or day < last_known,
        is_past=day < today,
        times=tuple(times[:3]),
        clock_change=_clock_change(day, zone),
    )


def _clock_change(day: date, zone: ZoneInfo) -> str | None:
    before = datetime.combine(day, time(), zone).utcoffset()
    after = datetime.combine(day + timedelta(days=1), time(), zone).utcoffset()
    if before is None or after is None or before == after:
        return None
    minutes = int((after - before).total_seconds() // 60)
    return f"clocks go {'forward' if minutes > 0 else 'back'} by {abs(minutes)} min"
