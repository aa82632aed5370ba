"""The numbers behind charts, progress and failures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from runwright.domain.ids import new_run_id
from runwright.domain.insight import metrics, overview
from runwright.domain.insight.diagnostics import Finding, State
from runwright.domain.insight.overview import Bucket, FailedRun, Progress, WorkerSeen
from runwright.domain.runs import RunStatus

_NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def _failed(message: str, *, api: str = "a", code: str = "c", minute: int = 0) -> FailedRun:
    at = _NOW - timedelta(minutes=minute)
    return FailedRun(id=new_run_id(), project="p", api=api, code=code, message=message, ended_at=at)


def _progress(seconds: float | None, *, ended_lately: int = 6) -> Progress:
    return Progress(
        waiting=1,
        started=2,
        completed=3,
        failed=4,
        canceled=5,
        first_at=None if seconds is None else _NOW - timedelta(seconds=seconds),
        ended_lately=ended_lately,
    )


@pytest.mark.parametrize(
    ("counts", "rate"),
    [
        ({}, None),
        ({RunStatus.CANCELED: 2, RunStatus.PENDING: 1}, None),
        ({RunStatus.COMPLETED: 3, RunStatus.FAILED: 1, RunStatus.STARTED: 5}, 0.75),
        ({RunStatus.FAILED: 1}, 0.0),
        ({RunStatus.COMPLETED: 1}, 1.0),
    ],
)
def test_the_success_rate_is_of_what_completed_or_failed(
    counts: dict[RunStatus, int], rate: float | None
) -> None:
    bucket = Bucket(begins_at=_NOW, counts=counts)

    assert bucket.success_rate == rate
    assert bucket.total == sum(counts.values())


def test_buckets_merge_by_status_and_duration() -> None:
    one = Bucket(begins_at=_NOW, counts={RunStatus.FAILED: 1}, durations={5: 1, 6: 2})
    other = Bucket(
        begins_at=_NOW, counts={RunStatus.FAILED: 2, RunStatus.COMPLETED: 4}, durations={6: 3}
    )

    found = overview.merged([one, other], _NOW - timedelta(days=1))

    assert found.begins_at == _NOW - timedelta(days=1)
    assert found.counts == {RunStatus.FAILED: 3, RunStatus.COMPLETED: 4}
    assert found.durations == {5: 1, 6: 5}


def test_a_quantile_is_the_middle_of_the_class_it_falls_into() -> None:
    durations = {70: 1, 50: 2, 60: 1}

    found = [overview.quantile(durations, share) for share in (0.25, 0.5, 0.51, 0.75, 0.76, 1.0)]

    # Of 100 classes from a millisecond to a day.
    steps = [50, 50, 60, 60, 70, 70]
    wanted = [0.001 * 86_400_000.0 ** ((step + 0.5) / 100) for step in steps]
    assert [each.total_seconds() for each in found if each] == pytest.approx(wanted, rel=1e-4)
    assert overview.quantile({}, 0.5) is None


@pytest.mark.parametrize(
    ("seconds", "rate"),
    [(None, 0.0), (60, 6.0), (59, 12 * 60 / 59), (30, 24.0), (0.5, 12 * 60), (3600, 6.0)],
)
def test_the_rate_is_of_the_last_minute_or_since_the_first(
    seconds: float | None, rate: float
) -> None:
    assert _progress(seconds).rate(_NOW) == pytest.approx(rate)


def test_progress_is_of_all_items() -> None:
    found = _progress(1)

    assert (found.total, found.ended) == (15, 12)


def test_failures_group_by_what_does_not_vary_the_most_frequent_first() -> None:
    failures = [
        _failed("row 17 of 'x' at 0xFF is missing", minute=1),
        _failed("other", minute=2),
        _failed("newer", minute=0),
        _failed('row 3.5 of "y" at 0x1 is missing', minute=3),
        _failed("row 17 of 'x' at 0xFF is missing", api="b", minute=4),
        _failed("row 17 of 'x' at 0xFF is missing", code="d", minute=5),
        _failed("deadbeef01 " + "x" * 400, minute=6),
        _failed("0123abcd99 " + "x" * 400, minute=7),
    ]

    found = overview.group(failures)

    assert [(each.count, each.newest) for each in found] == [
        (2, failures[0].id),
        (2, failures[6].id),
        (1, failures[2].id),
        (1, failures[1].id),
        (1, failures[4].id),
        (1, failures[5].id),
    ]
    assert (found[0].newest_at, found[0].oldest_at) == (failures[0].ended_at, failures[3].ended_at)
    assert (found[0].message, len(found[1].message)) == (failures[0].message, 300)


def test_failures_are_shown_before_warnings_and_what_is_fine_is_not() -> None:
    findings = tuple(
        Finding(state=state, name=name, message=name)
        for state, name in [
            (State.OK, "a"),
            (State.WARNING, "b"),
            (State.FAILURE, "c"),
        ]
    )
    worker = WorkerSeen(
        id=str(uuid4()),
        host="h",
        pid=1,
        slots=1,
        busy=0,
        started_at=_NOW,
        heartbeat_at=_NOW,
        is_silent=False,
        runners=(),
        findings=findings,
        examined_at=None,
        is_examination_asked=False,
    )

    assert worker.troubles == (findings[2], findings[1])


def test_the_buckets_of_a_histogram_add_up() -> None:
    counters = {("n", "0.01"): 2.0, ("n", "60"): 3.0, ("n", "+Inf"): 1.0, ("n", "sum"): 99.0}

    found = metrics.histogram(counters, "n")
    none = metrics.histogram(counters, "other")

    wanted = {"0.005": 0, "0.01": 2, "0.025": 2, "30": 2, "60": 5, "1800": 5, "+Inf": 6}
    assert {bound: dict(found.buckets)[bound] for bound in wanted} == wanted
    assert len(found.buckets) == 16
    assert found.sum_seconds == 99
    assert none.sum_seconds == 0
    assert {count for _, count in none.buckets} == {0}
