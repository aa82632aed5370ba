"""AuthSessions: their states, what a Run or operation needs of one, and the next step. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum, auto
from typing import Any

from runwright.domain.failures import Failure
from runwright.domain.ids import ProjectId
from runwright.errors import Category, FailureCode

AuthState = dict[str, Any]
"""A browser's signed-in state, unsealed: `cookies` and `origins` as Playwright writes them, and
`sessionStorage`, a list of `{"origin": str, "items": {name: value}}`."""

DEFAULT_ATTEMPTS = 3
DEFAULT_TIMEOUT = timedelta(seconds=600)
_FRESH = timedelta(seconds=30)
_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_RESERVED_IDS = ("create", "record")
"""Reserved, because `auth-sessions/create` is a path of its own."""
SESSION_ID_RULE = "must be 1 to 128 letters, digits, `-` or `_`, and not `create`"
"""What a message says of an ID that `is_session_id` rejects."""
RECORD_API = "auth-sessions/record"
"""The name of a recording, in place of an Api's name."""


class SessionType(StrEnum):
    """What a session is created from."""

    CREDENTIALS = "CREDENTIALS"
    """Stored parameters, so `create` can be repeated."""
    RECORDER = "RECORDER"
    """A state that a person recorded; it can be checked but not recreated."""
    RUNTIME = "RUNTIME"
    """Input that came with a Run and is not stored."""


class SessionStatus(StrEnum):
    """The status of a session."""

    PENDING = "PENDING"
    """Its first create has not finished."""
    READY = "READY"
    EXPIRED = "EXPIRED"
    """A check failed, and nothing has repaired the session since."""


class SessionSource(StrEnum):
    """Where a session is declared."""

    API = "API"
    CODE = "CODE"
    """A file under `intuned-resources/auth-sessions`."""


class SessionOperation(StrEnum):
    """What changes a session; at most one operation at a time."""

    CREATE = "create"
    UPDATE = "update"
    VALIDATE = "validate"
    RECORD = "record"
    """A person signs in."""
    REPAIR = "repair"
    """Requested by a Run whose check failed; all Runs of the session wait for the same repair."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionPlan:
    """What a Run or an operation needs of a session; never changes."""

    id: str
    operation: SessionOperation | None = None
    """None: a Run that uses it."""
    auto_recreate: bool = True
    """Whether `create` may be called when the check fails."""
    check_attempts: int = DEFAULT_ATTEMPTS
    create_attempts: int = DEFAULT_ATTEMPTS
    request_timeout: timedelta = DEFAULT_TIMEOUT
    """The limit for one Attempt of a check or create."""
    save_trace: bool | None = None
    """For checks and creates; None: the project's setting, else no, because traces show passwords."""
    check_every: timedelta | None = None
    """A check that passed less than this long ago is not repeated; None: the project's setting, else 0."""
    is_check_due: bool = True
    """False: a check has just failed, so the operation starts with `create`."""
    start_url: str | None = None
    """The URL where a recording starts."""
    finish_url: str | None = None
    """The URL at which a recording is done; None: the person decides."""
    proxy: str | None = None
    """Secret. None: the session's own."""
    parameters: dict[str, Any] | None = None
    """Secret. New parameters of a create or update, or the `runtimeInput` of a Run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AuthSession:
    """A named signed-in browser state of a Project, without its secrets."""

    project_id: ProjectId
    id: str
    type: SessionType
    status: SessionStatus
    source: SessionSource
    created_at: datetime
    updated_at: datetime
    checked_at: datetime | None
    """When a check last passed."""


class Step(StrEnum):
    """What a Run does next with its session."""

    USE = auto()
    CHECK = auto()
    MEND = auto()
    """Wait for the operation in progress, or begin one."""


def next_step(
    session: AuthSession,
    plan: SessionPlan,
    *,
    has_same_input: bool,
    is_retry: bool,
    was_mended: bool,
    now: datetime,
) -> Step:
    """Decide what a Run does with its session before its next Attempt.

    `has_same_input` is false for a RUNTIME session created from different input; `is_retry` means that an
    Attempt has failed, perhaps because of the sign-in; `was_mended` means that the operation the Run waited
    for has succeeded.
    """
    if session.status is SessionStatus.PENDING or not has_same_input:
        return Step.MEND
    if session.status is SessionStatus.EXPIRED:
        can_recreate = plan.auto_recreate and session.type is not SessionType.RECORDER
        return Step.MEND if can_recreate else Step.CHECK
    age = timedelta.max if session.checked_at is None else now - session.checked_at
    if was_mended and not is_retry and age < _FRESH:
        return Step.USE
    is_due = is_retry or age >= (plan.check_every or timedelta(0))
    return Step.CHECK if is_due else Step.USE


def can_recreate(session: AuthSession, plan: SessionPlan) -> bool:
    """True when a Run or operation with this plan may call `create` for the session."""
    if session.type is SessionType.RUNTIME and plan.parameters is None:
        return False
    return plan.auto_recreate and session.type is not SessionType.RECORDER


def is_session_id(text: str) -> bool:
    """True for a valid session ID, which is used in URLs and file names unescaped."""
    return _ID.fullmatch(text) is not None and text not in _RESERVED_IDS


def not_signed_in(answer: str) -> Failure:
    """The failure of a check that returned something other than true; `answer` is JSON text."""
    said = "False" if answer == "false" else f"{answer[:100]}, which is not True"
    return Failure(
        code=FailureCode.AUTH_CHECK_FAILED,
        category=Category.AUTH,
        message=f"`check` returned {said}: the browser is not signed in.",
        retryable=True,
    )


def check_failed(failures: Sequence[Failure]) -> Failure:
    """Why a session is invalid: every check failed, and it may not or cannot be repaired."""
    return _summed(FailureCode.CHECK_ATTEMPTS_FAILED, "check", failures)


def create_failed(failures: Sequence[Failure]) -> Failure:
    """Why a session was not created: every create failed."""
    return _summed(FailureCode.CREATE_ATTEMPTS_FAILED, "create", failures)


def post_create_check_failed(failures: Sequence[Failure]) -> Failure:
    """Why a session was not created: `create` succeeded, but every check after it failed."""
    return _summed(FailureCode.POST_CREATE_CHECK_ATTEMPTS_FAILED, "check after create", failures)


def _summed(code: FailureCode, what: str, failures: Sequence[Failure]) -> Failure:
    last = failures[-1]
    attempts = [
        {"attempt": number, "code": each.code.value, "message": each.message}
        for number, each in enumerate(failures, start=1)
    ]
    count = "The" if len(failures) == 1 else f"Each of {len(failures)} attempts of the"
    return Failure(
        code=code,
        category=Category.AUTH,
        message=f"{count} {what} failed; the last: {last.message}",
        retryable=False,
        details={**last.details, "attempts": attempts},
    )
