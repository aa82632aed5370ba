"""When Schedules fire, compared with a reference that checks every second, and with cronsim."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import assume, example, given, settings, strategies as st

from runwright.domain.jobs import schedules
from runwright.domain.jobs.schedules import Calendar, Schedule

_SECOND = timedelta(seconds=1)
# Clock changes: forward and back, at midnight, by half an hour, and a day that was left out.
_CHANGES = [
    ("America/New_York", datetime(2026, 3, 8, 7, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 11, 1, 6, tzinfo=UTC)),
    ("America/Sao_Paulo", datetime(2018, 11, 4, 3, tzinfo=UTC)),
    ("America/Sao_Paulo", datetime(2018, 2, 18, 2, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 15, tzinfo=UTC)),
    ("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),
    ("UTC", datetime(2024, 2, 29, tzinfo=UTC)),
]
_WHOLE_HOURS = [*_CHANGES[:2], _CHANGES[-1]]


def _subset(low: int, high: int) -> st.SearchStrategy[tuple[int, ...]]:
    some = st.sets(st.integers(low, high), min_size=1, max_size=4)
    return some.map(lambda values: tuple(sorted(values)))


@st.composite
def _calendars(draw: st.DrawFn) -> Calendar:
    is_open = draw(st.booleans())
    every_hour = is_open and draw(st.booleans())
    return Calendar(
        seconds=draw(st.just((0,)) | _subset(0, 59)),
        minutes=tuple(range(60)) if is_open and not every_hour else draw(_subset(0, 59)),
        hours=tuple(range(24)) if every_hour else draw(_subset(0, 23)),
        days_of_week=frozenset(draw(st.just(tuple(range(7))) | _subset(0, 6))),
        days_of_month=frozenset(draw(st.just(tuple(range(1, 32))) | _subset(1, 31))),
        is_open=is_open,
    )


def _fits(calendar: Calendar, wall: datetime) -> bool:
    return (
        wall.second in calendar.seconds
        and wall.minute in calendar.minutes
        and wall.hour in calendar.hours
        and wall.day in calendar.days_of_month
        and wall.month in calendar.months
        and wall.isoweekday() % 7 in calendar.days_of_week
    )


def _reference(calendar: Calendar, zone: ZoneInfo, now: datetime, end: datetime) -> list[datetime]:
    """Return the firings between, found by looking at every second."""
    found: list[datetime] = []
    moment = now.replace(microsecond=0) + _SECOND
    before = (moment - _SECOND).astimezone(zone).replace(tzinfo=None)
    while moment <= end:
        local = moment.astimezone(zone)
        wall = local.replace(tzinfo=None)
        if calendar.is_open:
            is_firing = _fits(calendar, wall)
        else:
            skipped = int((wall - before - _SECOND) / _SECOND)
            missed = any(_fits(calendar, before + _SECOND * (n + 1)) for n in range(skipped))
            is_firing = missed or (local.fold == 0 and _fits(calendar, wall))
        if is_firing:
            found.append(moment)
        before = wall
        moment += _SECOND
    return found


@settings(max_examples=60)
@given(
    calendar=_calendars(),
    change=st.sampled_from(_CHANGES),
    lead=st.integers(0, 5400),
)
@example(Calendar(minutes=(30,), hours=(2,)), _CHANGES[0], 3600)
@example(Calendar(minutes=(30,), hours=(1,)), _CHANGES[1], 5400)
@example(Calendar(), _CHANGES[2], 3600)
@example(Calendar(minutes=(0, 29, 58), hours=(2, 3), is_open=True), _CHANGES[4], 1800)
def test_firings_are_those_of_looking_at_every_second(
    calendar: Calendar, change: tuple[str, datetime], lead: int
) -> None:
    name, at = change
    now, end = at - timedelta(seconds=lead), at + timedelta(hours=2)
    wanted = _reference(calendar, ZoneInfo(name), now, end)[:50]

    found = schedules.upcoming(Schedule(calendars=(calendar,), zone=name), now, len(wanted) + 1)

    assert found[: len(wanted)] == wanted
    if len(wanted) < 50 and len(found) > len(wanted):
        assert found[-1] > end


@st.composite
def _cron(draw: st.DrawFn) -> tuple[str, Calendar]:
    """Return an expression and the calendar that says the same."""

    def field(low: int, high: int) -> tuple[str, tuple[int, ...], bool]:
        everything = tuple(range(low, high + 1))
        step = draw(st.integers(2, (high - low) // 2))
        some = draw(_subset(low, high))
        listed = ",".join(map(str, some))
        return draw(
            st.sampled_from(
                [("*", everything, True), (f"*/{step}", everything[::step], True),
                 (listed, some, False), (str(some[0]), some[:1], False)]
            )
        )  # fmt: skip

    minute, hour, month = field(0, 59), field(0, 23), field(1, 12)
    # cron fires when either day fits, ours when both do: only one of them is restricted.
    is_by_week = draw(st.booleans())
    day = ("*", tuple(range(1, 32)), True) if is_by_week else field(1, 31)
    week = field(0, 6) if is_by_week else ("*", tuple(range(7)), True)
    calendar = Calendar(
        minutes=minute[1],
        hours=hour[1],
        days_of_month=frozenset(day[1]),
        months=frozenset(month[1]),
        days_of_week=frozenset(week[1]),
        is_open=minute[2] or hour[2],
    )
    assume(schedules.is_possible(calendar))
    return f"{minute[0]} {hour[0]} {day[0]} {month[0]} {week[0]}", calendar


@settings(max_examples=300)
@given(cron=_cron(), change=st.sampled_from(_CHANGES), lead=st.integers(-120 * 60, 30 * 3600))
def test_firings_are_those_of_cronsim(
    cron: tuple[str, Calendar], change: tuple[str, datetime], lead: int
) -> None:
    expression, calendar = cron
    name, at = change
    # After a change of half an hour, or over midnight, cronsim gives other times than the clock shows.
    assume(not calendar.is_open or change in _WHOLE_HOURS)
    now = at - timedelta(seconds=lead)
    found = islice(CronSim(expression, now.astimezone(ZoneInfo(name))), 5)
    # Begun in an hour that comes twice, the second time, cronsim gives firings of the first.
    wanted = [moment.astimezone(UTC) for moment in found if moment > now]

    schedule = Schedule(calendars=(calendar,), zone=name)
    assert schedules.upcoming(schedule, now, len(wanted)) == wanted


@given(st.integers(1, 10**6), st.integers(0, 2 * 10**9))
def test_intervals_are_anchored_at_the_epoch(seconds: int, now: int) -> None:
    schedule = Schedule(intervals=(timedelta(seconds=seconds),))

    found = schedules.next_after(schedule, datetime.fromtimestamp(now, UTC))

    assert found is not None
    assert found.timestamp() % seconds == 0
    assert now < found.timestamp() <= now + seconds


def test_a_schedule_fires_on_the_union_of_its_entries() -> None:
    now = datetime(2026, 11, 24, 11, 59, tzinfo=UTC)
    noon = Calendar(hours=(12,))
    schedule = Schedule(intervals=(timedelta(minutes=20), timedelta(minutes=30)), calendars=(noon,))

    found = schedules.upcoming(schedule, now, 5)

    assert [each.strftime("%H:%M") for each in found] == [
        "12:00",
        "12:20",
        "12:30",
        "12:40",
        "13:00",
    ]


def test_what_cannot_come_and_what_comes_no_more() -> None:
    never = Calendar(days_of_month=frozenset([31]), months=frozenset([2]))
    over = Schedule(calendars=(Calendar(years=frozenset([2020])),))
    now = datetime(2026, 11, 24, tzinfo=UTC)

    assert not schedules.is_possible(never)
    assert not schedules.is_possible(
        Calendar(
            days_of_month=frozenset([29]), months=frozenset([2]), years=frozenset([2026, 2027])
        )
    )
    assert schedules.is_possible(
        Calendar(days_of_month=frozenset([29]), months=frozenset([2]), days_of_week=frozenset([1]))
    )
    assert schedules.next_after(over, now) is None
    assert schedules.upcoming(over, now, 3) == []


def test_a_rare_day_is_found_far_ahead() -> None:
    leap_monday = Calendar(
        days_of_month=frozenset([29]), months=frozenset([2]), days_of_week=frozenset([1])
    )

    found = schedules.next_after(
        Schedule(calendars=(leap_monday,)), datetime(2026, 1, 1, tzinfo=UTC)
    )

    assert found == datetime(2044, 2, 29, tzinfo=UTC)


def test_jitter_puts_off_the_same_firing_always_by_the_same() -> None:
    schedule = Schedule(intervals=(timedelta(minutes=1),), jitter=timedelta(seconds=30))
    firings = [datetime(2026, 1, 1, minute=number, tzinfo=UTC) for number in range(50)]

    late = [(schedules.put_off(schedule, "job", each) - each).total_seconds() for each in firings]

    assert all(0 <= each < 30 for each in late)
    assert len(set(late)) > 40
    assert max(late) > 25
    assert late[7] == (schedules.put_off(schedule, "job", firings[7]) - firings[7]).total_seconds()
    assert schedules.put_off(schedule, "other", firings[7]) != firings[7] + timedelta(
        seconds=late[7]
    )


@pytest.mark.parametrize(
    ("away", "wanted"),
    [(timedelta(0), 0), (timedelta(seconds=25), 20), (timedelta(hours=3, seconds=7), 3 * 3600)],
)
def test_the_last_of_missed_firings(away: timedelta, wanted: int) -> None:
    first = datetime(2026, 1, 1, tzinfo=UTC)
    schedule = Schedule(intervals=(timedelta(seconds=10),))

    found = schedules.latest_before(schedule, first, first + away)

    assert found == first + timedelta(seconds=wanted)


@pytest.mark.parametrize(("minutes", "wanted"), [(30, 0), (59, 0), (60, 60), (90, 0), (600, 0)])
def test_a_missed_firing_that_nothing_makes_up_for_is_not_looked_for(
    minutes: int, wanted: int
) -> None:
    first = datetime(2199, 12, 31, 21, tzinfo=UTC)
    schedule = Schedule(calendars=(Calendar(hours=tuple(range(24))),))

    found = schedules.latest_before(schedule, first, first + timedelta(minutes=minutes))

    assert found == first + timedelta(minutes=wanted)
