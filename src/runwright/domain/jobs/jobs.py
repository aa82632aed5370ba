"""Jobs and JobRuns: their states, their values, and what a JobRun does next. Pure."""

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
"""Items in the queue at once of a JobRun that names no limit: more than Workers can take from one project
soon, and few enough for Runs that callers start meanwhile to be near the front."""


class JobState(StrEnum):
    """Whether a Job's Schedule fires."""

    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"


class JobSource(StrEnum):
    """Who declared a Job."""

    API = "API"
    CODE = "CODE"
    """A file under `intuned-resources/jobs`."""


class JobRunType(StrEnum):
    """What began a JobRun."""

    MANUAL = "MANUAL"
    SCHEDULED = "SCHEDULED"


class JobRunStatus(StrEnum):
    """Where a JobRun stands; the last five are final."""

    PENDING = "PENDING"
    """It is under way, or waits for its session to be seen to."""
    PAUSING = "PAUSING"
    """Nothing more is fed; items are still under way."""
    PAUSED = "PAUSED"
    RESUMING = "RESUMING"
    """Its session is seen to before it goes on."""
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    COMPLETED = "COMPLETED"
    """Some items completed and some did not."""
    TERMINATED = "TERMINATED"
    CANCELED = "CANCELED"
    """It never began."""

    @property
    def is_active(self) -> bool:
        """Return whether it has not ended."""
        return self in (
            JobRunStatus.PENDING,
            JobRunStatus.PAUSING,
            JobRunStatus.PAUSED,
            JobRunStatus.RESUMING,
        )


class JobRunReason(StrEnum):
    """Why a JobRun stands still or never began, as the wire spells it."""

    TERMINATED = "terminated"
    USER_REQUEST = "user-request"
    SESSION_NOT_FOUND = "auth-session-not-found"
    SESSION_INVALID_MID_JOB = "auth-session-invalid-mid-job"
    SESSION_NOT_VALIDATED = "auth-session-validate-dependency-failed"
    SESSION_LOCKED = "auth-session-locked"
    ANOTHER_ACTIVE = "another-job-run-active"


@dataclass(frozen=True, kw_only=True, slots=True)
class Payload:
    """One item of a Job: an Api and what it is carried out with."""

    api: str
    parameters: dict[str, Any]
    maximum_attempts: int | None = None
    """None: as the Job says."""
    request_timeout: timedelta | None = None
    """None: as the Job says."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JobConfiguration:
    """How the items of a Job are carried out."""

    maximum_attempts: int | None = None
    """None: as the project says, else 1."""
    request_timeout: timedelta | None = None
    """None: as the project says, else 600 s."""
    max_concurrent: int | None = None
    """Items under way at once; None: what the project and the Workers allow."""
    max_runs: int | None = None
    """The JobRun ends after so many Runs; None: after all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JobSecrets:
    """What of a Job is sealed."""

    sink: Sink | None = None
    """Where outcomes go; None: where the project says."""
    proxy: str | None = None
    """Of all its Runs."""
    configuration_proxy: str | None = None
    """The same, as a caller may write it too; `proxy` wins."""
    notifications: tuple[Webhook, ...] = ()
    """Who is told when a JobRun starts, pauses or ends."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JobPlan:
    """What a Job is made from."""

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
    """The next moment that its Schedule names."""
    fires_at: datetime | None
    """When that fires: put off by the jitter."""
    last_run_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """How many items a JobRun has, and how many of those that were begun have ended how."""

    payloads: int
    successful: int
    failed: int
    """Failed or canceled. What was never begun because the JobRun ended is in neither."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JobRun:
    """One firing or triggering of a Job."""

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
    """Items that wait to be fed; more than can be fed need not be counted."""
    active: int
    """Items that are in the queue or carried out."""
    begun: int
    """Items that were ever fed; counted where `max_runs` is set."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Feed:
    """Put so many held items into the queue."""

    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Pause:
    """Nothing is under way any more: it is paused."""


@dataclass(frozen=True, kw_only=True, slots=True)
class End:
    """Nothing is left to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """An item's end comes first."""


Step = Feed | Pause | End | Wait


def next_step(standing: Standing) -> Step:
    """Decide what a JobRun does that is active and whose session is good."""
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
    """Return how many items may be in the queue or carried out at once."""
    return _FED_AT_ONCE if max_concurrent is None else max_concurrent


def ended_status(counts: Counts) -> JobRunStatus:
    """Return how a JobRun ends by what became of the items that were begun."""
    if counts.failed == 0:
        return JobRunStatus.SUCCESS
    return JobRunStatus.COMPLETED if counts.successful else JobRunStatus.FAILURE


def is_job_id(text: str) -> bool:
    """Return whether the text can be a Job's id: it stands in URLs as it is."""
    return _ID.fullmatch(text) is not None
