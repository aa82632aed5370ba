"""Runs and Attempts: their states, their values, and what follows an Attempt. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from runwright.domain import retry
from runwright.domain.auth_sessions import AuthState, SessionPlan
from runwright.domain.deliveries.deliveries import Delivery
from runwright.domain.deliveries.sinks import Sink
from runwright.domain.drift import Drift
from runwright.domain.failures import Failure, final_failure
from runwright.domain.ids import DeploymentId, JobRunId, ProjectId, RunId, WorkspaceId
from runwright.domain.models.model_usage import ModelUse
from runwright.domain.questions import Question
from runwright.errors import CancelReason


class RunStatus(StrEnum):
    """`pending → started → completed | failed | canceled`; the last three are final."""

    PENDING = "pending"
    STARTED = "started"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def is_terminal(self) -> bool:
        """True for a final status."""
        return self in (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELED)


class RunKind(StrEnum):
    """What a Run executes."""

    API = "api"
    """An Api, requested by a caller: the only kind shown in lists."""
    OPERATION = "operation"
    """Creating, repairing or checking an AuthSession: a sequence of the two kinds below."""
    CHECK = "check"
    """The author's `auth-sessions/check`, for the Run that is its parent."""
    CREATE = "create"
    """The author's `auth-sessions/create`, for the operation that is its parent."""


class AttemptStatus(StrEnum):
    """`started → completed | failed | canceled`."""

    STARTED = "started"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRequest:
    """A caller's request, parsed; None means the caller did not specify it."""

    api: str
    parameters: dict[str, Any]
    proxy: str | None = None
    """`http://user:pass@host:port`; http, https, socks5."""
    save_trace: bool = True
    save_har: bool = False
    """Record the network traffic of each Attempt."""
    request_timeout: timedelta | None = None
    """The limit for one Attempt; None: the project's default, else 600 s."""
    maximum_attempts: int | None = None
    """Attempts in total; None: the project's default, else 1."""
    session: SessionPlan | None = None
    """The AuthSession it uses; without an ID, one for this Run only."""
    sink: Sink | None = None
    """Where its outcome goes; None: the project's default."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunPlan:
    """What a Run was accepted with; immutable."""

    api: str
    parameters: dict[str, Any]
    proxy: str | None
    save_trace: bool
    save_har: bool
    request_timeout: timedelta
    maximum_attempts: int
    session: SessionPlan | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ExtendedPayload:
    """Additional work that a completed Attempt requested."""

    api: str
    parameters: dict[str, Any]
    run_id: RunId | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Cancellation:
    """Why a Run was canceled."""

    reason: CancelReason
    message: str
    details: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One request to execute an Api, in its current state."""

    id: RunId
    workspace_id: WorkspaceId
    project_id: ProjectId
    deployment_id: DeploymentId
    kind: RunKind
    parent_id: RunId | None
    """The Run or operation that a check or create belongs to."""
    auth_session_id: str | None
    job_run_id: JobRunId | None
    """The JobRun that it is an item of."""
    api: str
    """The Api's name; for the other kinds, `auth-sessions/` and the operation."""
    status: RunStatus
    attempt: int
    """Attempts started so far."""
    maximum_attempts: int
    result: str | None
    """JSON text; set exactly when completed."""
    extended_payloads: tuple[ExtendedPayload, ...]
    failure: Failure | None
    cancellation: Cancellation | None
    attributes: dict[str, Any]
    """Labels that callers can search by."""
    drift: Drift | None
    """How its result deviates from the usual, once that has been examined."""
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One try at a Run."""

    number: int
    """Starts at 1."""
    status: AttemptStatus
    failure: Failure | None
    started_at: datetime
    """When a Worker claimed it."""
    author_started_at: datetime | None
    """When the author's code started."""
    ended_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFile:
    """A trace, download or file of an Attempt, in the blob store."""

    id: int
    attempt: int
    kind: str
    """`trace`, `har`, `download` or `file`."""
    name: str
    size_bytes: int
    blob: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class LogLine:
    """One line of an Attempt's log."""

    id: int
    """Increases within a Run; a cursor for reading on."""
    attempt: int
    at: datetime
    stream: str
    """`stdout`, `stderr`, `log` or `platform`."""
    level: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RunDetail:
    """Everything about a Run."""

    run: Run
    plan: RunPlan
    attempts: tuple[Attempt, ...]
    files: tuple[RunFile, ...]
    parts: tuple[Run, ...]
    """Its checks and creates, in order."""
    waited_for: str | None
    """The operation on its session that it waits or waited for."""
    correlation_id: str | None
    """The ID of the request that started it."""
    deliveries: tuple[Delivery, ...]
    question: Question | None
    """The question that it is asking a person right now."""
    models: tuple[ModelUse, ...]
    """Its use of language models, the most expensive first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFilter:
    """Which Runs a list contains; None matches all."""

    api: str | None = None
    status: RunStatus | None = None
    since: datetime | None = None
    """Created at or after."""
    until: datetime | None = None
    """Created before."""
    attribute: tuple[str, Any] | None = None
    """A label and its value."""
    job_id: str | None = None
    job_run_id: str | None = None
    is_drifted: bool | None = None
    """True: only Runs whose results have drifted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """The outcome of an Attempt: exactly one of result, failure and cancellation is set."""

    result: str | None = None
    extended_payloads: tuple[ExtendedPayload, ...] = ()
    failure: Failure | None = None
    cancellation: Cancellation | None = None
    author_started_at: datetime | None = None
    attributes: dict[str, Any] = field(default_factory=dict[str, Any])
    """Labels that the author's code set on the Run; kept whatever the outcome."""
    auth_state: AuthState | None = None
    """The browser's final state, if it is new."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Completed:
    """The Run is completed, with this Outcome's result."""

    outcome: Outcome


@dataclass(frozen=True, kw_only=True, slots=True)
class Failed:
    """The Run has failed for good."""

    failure: Failure


@dataclass(frozen=True, kw_only=True, slots=True)
class Canceled:
    """The Run is canceled."""

    cancellation: Cancellation


@dataclass(frozen=True, kw_only=True, slots=True)
class Retry:
    """Another Attempt, after a delay."""

    failure: Failure
    delay: timedelta


Next = Completed | Failed | Canceled | Retry

DEFAULT_REQUEST_TIMEOUT = timedelta(seconds=600)
MAX_ATTEMPTS = 100
MAX_TIMEOUT_SECONDS = 86_400
CLIENT_DEFAULT_ATTEMPTS = 3
"""The attempts that `retry: {}` means without a number."""


def after(
    outcome: Outcome,
    *,
    earlier: tuple[Failure, ...],
    maximum_attempts: int,
    retry_delay: timedelta,
) -> Next:
    """Decide what follows an Attempt.

    `earlier` holds the failures of the Attempts before this one, in order.
    """
    if outcome.cancellation is not None:
        return Canceled(cancellation=outcome.cancellation)
    if outcome.failure is None:
        return Completed(outcome=outcome)
    failures = (*earlier, outcome.failure)
    if outcome.failure.retryable and len(failures) < maximum_attempts:
        return Retry(failure=outcome.failure, delay=retry.attempt_delay(len(failures), retry_delay))
    return Failed(failure=final_failure(failures))
