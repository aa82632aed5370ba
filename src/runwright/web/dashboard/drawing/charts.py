"""Geometry of the charts, which templates draw as SVG. Patterns repeat what colors show; a table repeats both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from runwright.control.insight.overview import Course
from runwright.domain.insight import overview
from runwright.domain.insight.overview import Bucket
from runwright.domain.runs import RunStatus

WIDTH, HEIGHT = 600, 100
_GAP = 0.18
_OTHER = (RunStatus.CANCELED,)
_ROUND = (1, 2, 5, 10)


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """A segment of a bar."""

    kind: str
    """`completed`, `failed`, `canceled` or `open`."""
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """The values of one time span."""

    begins_at: datetime
    completed: int
    failed: int
    canceled: int
    open: int
    success_rate: float | None
    median: timedelta | None
    slow: timedelta | None
    """95th percentile."""
    x: float
    width: float

    @property
    def total(self) -> int:
        """Number of Runs accepted."""
        return self.completed + self.failed + self.canceled + self.open


@dataclass(frozen=True, kw_only=True, slots=True)
class Charts:
    """The charts of one time range."""

    rows: list[Row]
    blocks: list[Block]
    highest: int
    """Value at the top of the bar chart."""
    rate_line: str
    median_line: str
    slow_line: str
    longest: timedelta
    """Value at the top of the duration chart."""
    total: Row


def draw(course: Course) -> Charts:
    """Draw the charts of a time range."""
    width = WIDTH / len(course.buckets)
    rows = [_row(bucket, number * width, width) for number, bucket in enumerate(course.buckets)]
    highest = _round_up(max((row.total for row in rows), default=0))
    slowest = max((row.slow or timedelta(0) for row in rows), default=timedelta(0))
    longest = max(slowest, timedelta(milliseconds=10))
    return Charts(
        rows=rows,
        blocks=[block for row in rows for block in _blocks(row, highest)],
        highest=highest,
        rate_line=_line(rows, [row.success_rate for row in rows]),
        median_line=_line(rows, [_share(row.median, longest) for row in rows]),
        slow_line=_line(rows, [_share(row.slow, longest) for row in rows]),
        longest=longest,
        total=_row(course.total, 0, WIDTH),
    )


def _row(bucket: Bucket, x: float, width: float) -> Row:
    completed = bucket.counts.get(RunStatus.COMPLETED, 0)
    failed = bucket.counts.get(RunStatus.FAILED, 0)
    canceled = bucket.counts.get(RunStatus.CANCELED, 0)
    return Row(
        begins_at=bucket.begins_at,
        completed=completed,
        failed=failed,
        canceled=canceled,
        open=bucket.total - completed - failed - canceled,
        success_rate=bucket.success_rate,
        median=overview.quantile(bucket.durations, 0.5),
        slow=overview.quantile(bucket.durations, 0.95),
        x=x,
        width=width,
    )


def _blocks(row: Row, highest: int) -> list[Block]:
    found: list[Block] = []
    floor = float(HEIGHT)
    for kind in ("failed", "canceled", "completed", "open"):
        number: int = getattr(row, kind)
        if not number:
            continue
        height = max(number / highest * HEIGHT, 1.5)
        floor -= height
        found.append(
            Block(
                kind=kind,
                x=round(row.x + row.width * _GAP / 2, 2),
                y=round(max(floor, 0), 2),
                width=round(row.width * (1 - _GAP), 2),
                height=round(height, 2),
            )
        )
    return found


def _line(rows: Sequence[Row], shares: Sequence[float | None]) -> str:
    """SVG path through shares from 0 to 1, interrupted where there are none."""
    commands: list[str] = []
    is_broken = True
    for row, share in zip(rows, shares, strict=True):
        if share is None:
            is_broken = True
            continue
        x, y = row.x + row.width / 2, HEIGHT - share * (HEIGHT - 4) - 2
        if is_broken:
            # A lone point would be invisible.
            commands.append(f"M{x - 2:.1f} {y:.1f}L{x + 2:.1f} {y:.1f}")
        else:
            commands.append(f"L{x:.1f} {y:.1f}")
        is_broken = False
    return "".join(commands)


def _share(value: timedelta | None, longest: timedelta) -> float | None:
    return None if value is None else min(value / longest, 1.0)


def _round_up(number: int) -> int:
    step = 1
    while step * _ROUND[-1] < number:
        step *= 10
    return next(step * each for each in _ROUND if step * each >= max(number, 1))
