"""Deliveries: one outcome going to one Sink, and the tries of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from runwright.domain.deliveries.sink_fields import SinkKind
from runwright.domain.ids import DeliveryId, ProjectId, RunId


class DeliveryStatus(StrEnum):
    """`pending → delivered | exhausted`; sending again by hand begins anew."""

    PENDING = "pending"
    DELIVERED = "delivered"
    EXHAUSTED = "exhausted"


class NotificationKind(StrEnum):
    """What a notification tells, as the wire spells it."""

    JOB_RUN_STARTED = "job-run.started"
    JOB_RUN_PAUSED = "job-run.paused"
    JOB_RUN_ENDED = "job-run.ended"
    RUN_DRIFTED = "run.drifted"
    RUN_QUESTION = "run.question"


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """One outcome going to one Sink."""

    id: DeliveryId
    """The receiver's key for telling repetitions: it stays the same over all tries."""
    project_id: ProjectId
    run_id: RunId | None
    job_run_id: str | None
    """What the Run belongs to, or what a notification is about."""
    kind: SinkKind
    target: str
    """Where it goes, without what is secret."""
    status: DeliveryStatus
    tries: int
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Try:
    """One sending of a Delivery."""

    number: int
    at: datetime
    duration_ms: float
    status_code: int | None
    """What the receiver answered; None: nothing."""
    answer: str | None
    """The first bytes of that."""
    error: str | None
    """Why it did not go through."""
