"""The timeline of a Run: queue, session, each Attempt and Delivery, on one scale."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from runwright.domain.runs import Attempt, Run, RunDetail

WIDTH = 1000
_SHORTEST = timedelta(milliseconds=20)


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """A row of the timeline."""

    label: str
    kind: str
    """`queue`, `session`, `start`, `attempt` or `delivery`."""
    status: str
    begins_at: datetime
    ends_at: datetime | None
    """None while it continues."""
    x: float
    width: float
    link: str | None = None
    """The id of its own Run, if it has one."""

    @property
    def duration(self) -> timedelta | None:
        """How long it took; None while it continues."""
        return None if self.ends_at is None else self.ends_at - self.begins_at


@dataclass(frozen=True, slots=True)
class _Raw:
    label: str
    kind: str
    status: str
    begins_at: datetime
    ends_at: datetime | None
    link: str | None = None


def draw(detail: RunDetail) -> list[Span]:
    """Draw the rows in chronological order."""
    now = datetime.now(UTC)
    raws = _raws(detail)
    begin = detail.run.created_at
    end = max((raw.ends_at or now for raw in raws), default=now)
    scale = WIDTH / max(end - begin, _SHORTEST).total_seconds()
    return [
        Span(
            label=raw.label,
            kind=raw.kind,
            status=raw.status,
            begins_at=raw.begins_at,
            ends_at=raw.ends_at,
            link=raw.link,
            x=round(max((raw.begins_at - begin).total_seconds(), 0) * scale, 1),
            width=round(
                max(((raw.ends_at or now) - raw.begins_at).total_seconds() * scale, 3.0), 1
            ),
        )
        for raw in raws
    ]


def _raws(detail: RunDetail) -> list[_Raw]:
    run = detail.run
    found = [_waiting(detail)] if run.parent_id is None else []
    for part in detail.parts:
        begins_at = part.started_at or part.created_at
        found.append(
            _Raw(
                f"Session: {part.kind.value}",
                "session",
                part.status,
                begins_at,
                part.ended_at,
                part.id,
            )
        )
    for attempt in detail.attempts:
        found += _attempt(attempt, len(detail.attempts))
    for delivery in detail.deliveries:
        label = f"Delivery to {'webhook' if delivery.kind == 'webhook' else 'bucket'}"
        found.append(
            _Raw(label, "delivery", delivery.status, delivery.created_at, delivery.ended_at)
        )
    return sorted(found, key=lambda raw: raw.begins_at)


def _waiting(detail: RunDetail) -> _Raw:
    run = detail.run
    begins = [attempt.started_at for attempt in detail.attempts[:1]]
    begins += [part.started_at for part in detail.parts[:1] if part.started_at is not None]
    ends_at = min(begins, default=run.ended_at)
    return _Raw("Queued", "queue", _queue_status(run, ends_at), run.created_at, ends_at)


def _queue_status(run: Run, ends_at: datetime | None) -> str:
    return "pending" if ends_at is None else "canceled" if run.started_at is None else "over"


def _attempt(attempt: Attempt, attempts: int) -> list[_Raw]:
    name = f"Attempt {attempt.number}" if attempts > 1 else "Attempt"
    began = attempt.author_started_at
    if began is None:
        return [_Raw(name, "attempt", attempt.status, attempt.started_at, attempt.ended_at)]
    return [
        _Raw(f"{name}: setup", "start", "over", attempt.started_at, began),
        _Raw(name, "attempt", attempt.status, began, attempt.ended_at),
    ]
