"""When a pruning is due, and what it adds up to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from runwright.domain import retention
from runwright.domain.retention import Kind, PastPruning, Pruning, Removed

_NOW = datetime(2026, 11, 24, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("last", "hour", "is_due"),
    [
        (None, 3, True),
        (None, None, False),
        (_NOW - timedelta(seconds=1), 3, True),
        (_NOW, 3, False),
        # Its hour comes later today, and came last yesterday.
        (_NOW - timedelta(hours=23, seconds=1), 4, True),
        (_NOW - timedelta(hours=23), 4, False),
    ],
)
def test_a_pruning_is_due_once_its_hour_has_come(
    last: datetime | None, hour: int | None, is_due: bool
) -> None:
    assert retention.is_due(last, hour=hour, now=_NOW) is is_due


def test_an_hour_comes_on_the_hour() -> None:
    now = _NOW.replace(minute=59, second=59, microsecond=999)

    assert not retention.is_due(_NOW, hour=3, now=now)
    assert retention.is_due(_NOW - timedelta(microseconds=1), hour=3, now=now)


def test_removals_add_up_by_kind() -> None:
    removed = retention.total(
        [
            Removed(kind=Kind.FILES, count=1, size_bytes=10),
            Removed(kind=Kind.RUNS, count=2),
            Removed(kind=Kind.FILES, count=3, size_bytes=20),
        ]
    )
    pruning = Pruning(removed=removed, is_dry=False, is_complete=True)
    past = PastPruning(started_at=_NOW, ended_at=_NOW, pruning=pruning)

    assert [each.kind for each in removed] == list(Kind)
    assert pruning.size_bytes == 30
    assert past.freed == (
        Removed(kind=Kind.FILES, count=4, size_bytes=30),
        Removed(kind=Kind.RUNS, count=2, size_bytes=0),
    )
