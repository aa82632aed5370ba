"""Jobs and JobRuns: their states, their values, and a JobRun's next step. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from runwright.domain.auth_sessions import SessionPlan
from runwright.domain.deliveries.sinks import Sink
from runwright.domain.deliveries.webhooks import Webhook
from runwright.domain.ids import DeploymentId, JobRunId, ProjectId, WorkspaceId
from runwright.domain.jobs.schedules import Schedule

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,127}")
_FED_AT_ONCE = 250
"""Maximum queued items of a JobRun that sets no limit: more than Workers can soon take from one project, but
few enough that Runs started meanwhile are near the front of the queue."""


class JobState(StrEnum):
    """Whether a Job's Schedule fires."""

    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"


class JobSource(StrEnum):
    """Where a Job is declared."""

    API = "API"
    CODE = "CODE"
    """A file under `intuned-resources/jobs`."""


class JobRunType(StrEnum):
    """What started a JobRun."""

    MANUAL = "MANUAL"
    SCHEDULED = "SCHEDULED"


class JobRunStatus(StrEnum):
    """The status of a JobRun; the last five are final."""

    PENDING = "PENDING"
    """In progress, or waiting for its session to be prepared."""
    PAUSING = "PAUSING"
    """No further items are queued; some are still in progress."""
    PAUSED = "PAUSED"
    RESUMING = "RESUMING"
    """Its session is prepared before it continues."""
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    COMPLETED = "COMPLETED"
    """Some items completed, others did not."""
    TERMINATED = "TERMINATED"
    CANCELED = "CANCELED"
    """It never started."""

    @property
    def is_active(self) -> bool:
        """True until the JobRun ends."""
        return self in (
            JobRunStatus.PENDING,
            JobRunStatus.PAUSING,
            JobRunStatus.PAUSED,
            JobRunStatus.RESUMING,
        )


class JobRunReason(StrEnum):
    """Why a JobRun stopped or never started, as spelled on the wire."""

    TERMINATED = "terminated"
    USER_REQUEST = "user-request"
    SESSION_NOT_FOUND = "auth-session-not-found"
    SESSION_INVALID_MID_JOB = "auth-session-invalid-mid-job"
    SESSION_NOT_VALIDATED = "auth-session-validate-dependency-failed"
    SESSION_LOCKED = "auth-session-locked"
    ANOTHER_ACTIVE = "another-job-run-active"


@dataclass(frozen=True, kw_only=True, slots=True)
class Payload:
    """One item of a Job: an Api and its parameters."""

    api: str
    parameters: dict[str, Any]
    maximum_attempts: int | None = None
    """None: the Job's setting."""
    request_timeout: timedelta | None = None
    """None: the Job's setting."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JobConfiguration:
    """How the items of a Job run."""

    maximum_attempts: int | None = None
    """None: the project's default, else 1."""
    request_timeout: timedelta | None = None
    """None: the project's default, else 600 s."""
    max_concurrent: int | None = None
    """Items in progress at once; None: as many as the project and the Workers allow."""
    max_runs: int | None = None
    """The JobRun ends after this many Runs; None: after all items."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JobSecrets:
    """The parts of a Job that are sealed."""

    sink: Sink | None = None
    """Where outcomes go; None: the project's default."""
    proxy: str | None = None
    """Used by all its Runs."""
    configuration_proxy: str | None = None
    """The same, set in the configuration; `proxy` wins."""
    notifications: tuple[Webhook, ...] = ()
    """Notified when a JobRun starts, pauses or ends."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JobPlan:
    """The definition of a Job."""

    payload: tuple[Payload, ...]
    configuration: JobConfiguration
    schedule: Schedule | None = None
    schedule_body: dict[str, Any] | None = None
    """The Schedule as the caller wrote it."""
    session: SessionPlan | None = None
    secrets: JobSecrets = field(default_factory=JobSecrets)


@dataclass(frozen=True, kw_only=True, slots=True)
class JobReason:
    """Why a Job is paused."""

    type: str
    """`paused` or `terminated`."""
    message: str
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A stored list of Payloads with a Schedule."""

    id: str
    workspace_id: WorkspaceId
    project_id: ProjectId
    state: JobState
    source: JobSource
    plan: JobPlan
    reason: JobReason | None
    firing: datetime | None
    """The next firing in its Schedule, without jitter."""
    fires_at: datetime | None
    """When that firing happens, jitter included."""
    last_run_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """How many items a JobRun has, and how those that started have ended."""

    payloads: int
    successful: int
    failed: int
    """Failed or canceled. Items that never started because the JobRun ended count in neither."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JobRun:
    """One firing of a Job, scheduled or manual."""

    id: JobRunId
    workspace_id: WorkspaceId
    project_id: ProjectId
    job_id: str
    deployment_id: DeploymentId | None
    type: JobRunType
    status: JobRunStatus
    configuration: JobConfiguration
    session: SessionPlan | None
    secrets: JobSecrets
    counts: Counts
    reason: JobRunReason | None
    message: str | None
    details: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """What a JobRun's next step depends on."""

    status: JobRunStatus
    max_concurrent: int | None
    max_runs: int | None
    held: int
    """Items not yet queued; no need to count more than can be queued."""
    active: int
    """Items that are queued or running."""
    begun: int
    """Items queued so far; counted only if `max_runs` is set."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Feed:
    """Queue this many held items."""

    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Pause:
    """No item is in progress anymore: the JobRun is paused."""


@dataclass(frozen=True, kw_only=True, slots=True)
class End:
    """Nothing is left to do: the JobRun ends."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """Wait for an item to end."""


Step = Feed | Pause | End | Wait


def next_step(standing: Standing) -> Step:
    """Decide the next step of an active JobRun whose session is valid."""
    left = standing.held
    if standing.max_runs is not None:
        left = min(left, standing.max_runs - standing.begun)
    if left <= 0:
        return Wait() if standing.active else End()
    if standing.status in (JobRunStatus.PAUSING, JobRunStatus.PAUSED):
        return Wait() if standing.active else Pause()
    room = room_for(standing.max_concurrent) - standing.active
    return Feed(count=min(room, left)) if room > 0 else Wait()


def room_for(max_concurrent: int | None) -> int:
    """How many items may be queued or running at once."""
    return _FED_AT_ONCE if max_concurrent is None else max_concurrent


def ended_status(counts: Counts) -> JobRunStatus:
    """The final status of a JobRun, from how its items ended."""
    if counts.failed == 0:
        return JobRunStatus.SUCCESS
    return JobRunStatus.COMPLETED if counts.successful else JobRunStatus.FAILURE


def is_job_id(text: str) -> bool:
    """True for a valid Job ID, which is used in URLs unescaped."""
    return _ID.fullmatch(text) is not None
