"""Deliveries: one outcome going to one Sink, and its tries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from runwright.domain.deliveries.sink_fields import SinkKind
from runwright.domain.ids import DeliveryId, ProjectId, RunId


class DeliveryStatus(StrEnum):
    """`pending → delivered | exhausted`; sending again manually returns it to `pending`."""

    PENDING = "pending"
    DELIVERED = "delivered"
    EXHAUSTED = "exhausted"


class NotificationKind(StrEnum):
    """The event that a notification reports, as spelled on the wire."""

    JOB_RUN_STARTED = "job-run.started"
    JOB_RUN_PAUSED = "job-run.paused"
    JOB_RUN_ENDED = "job-run.ended"
    RUN_DRIFTED = "run.drifted"
    RUN_QUESTION = "run.question"


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """One outcome going to one Sink."""

    id: DeliveryId
    """The receiver's key for detecting duplicates: the same for all tries."""
    project_id: ProjectId
    run_id: RunId | None
    job_run_id: str | None
    """The JobRun that the Run belongs to, or that a notification is about."""
    kind: SinkKind
    target: str
    """The destination, without secrets."""
    status: DeliveryStatus
    tries: int
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Try:
    """One attempt to send a Delivery."""

    number: int
    at: datetime
    duration_ms: float
    status_code: int | None
    """The receiver's response status; None: no response."""
    answer: str | None
    """The first bytes of the response."""
    error: str | None
    """Why the try failed, if it did."""
