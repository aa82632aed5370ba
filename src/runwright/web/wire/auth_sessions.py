"""Bodies of AuthSessions."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from runwright.domain.auth_sessions import (
    DEFAULT_ATTEMPTS,
    AuthSession,
    AuthState,
    SessionOperation,
    SessionPlan,
    SessionSource,
    SessionStatus,
    SessionType,
)
from runwright.domain.runs import Run, RunStatus
from runwright.domain.text.proxies import Proxy
from runwright.web.wire.common import (
    Body,
    SessionAttempts,
    parse,
    plan_fields,
    time_text,
    time_text_or_none,
)
from runwright.web.wire.runs import FailureBody, ReasonBody, ending

_RECORDING_SECONDS = 900
_MAX_RECORDING_SECONDS = 3600
Url = Annotated[str, Field(pattern=r"^https?://[^\s]+$", max_length=2048)]


class CreateBody(SessionAttempts):
    """A session to create."""

    id: str | None = None
    parameters: dict[str, Any]


class UpdateBody(SessionAttempts):
    """New parameters for a session."""

    parameters: dict[str, Any]


class ValidateBody(SessionAttempts):
    """How to check a session."""

    auto_recreate: bool | None = Field(default=None, alias="autoRecreate")


class RecordBody(Body):
    """A session to record while a person signs in."""

    id: str | None = None
    start_url: Url | None = Field(default=None, alias="startUrl")
    """Where the person signs in; the project's settings apply if it is missing."""
    finish_url: Url | None = Field(default=None, alias="finishUrl")
    """Where the browser is once signed in; `*` matches anything."""
    timeout: Annotated[int, Field(ge=10, le=_MAX_RECORDING_SECONDS, strict=True)] = (
        _RECORDING_SECONDS
    )
    """Seconds that the person has to sign in."""
    check_attempts: Annotated[int, Field(ge=1, le=10, strict=True)] | None = Field(
        default=None, alias="checkAttempts"
    )
    proxy: Proxy | None = None


class CookieBody(Body):
    """A cookie as Playwright writes it; additional fields are kept as they are."""

    name: str
    value: str
    domain: str
    path: str = "/"
    expires: float = -1
    http_only: bool = Field(default=False, alias="httpOnly")
    secure: bool = False
    same_site: Literal["Strict", "Lax", "None"] = Field(default="Lax", alias="sameSite")


class ItemBody(Body):
    """An item of an origin's localStorage."""

    name: str
    value: str


Origin = Annotated[str, Field(pattern=r"^https?://[^/?#\s]+$", max_length=2048)]


class OriginBody(Body):
    """What a browser stores for an origin."""

    origin: Origin
    local_storage: list[ItemBody] = Field(default=[], alias="localStorage")
    indexed_db: list[dict[str, Any]] = Field(default=[], alias="indexedDB")


class TabStorageBody(Body):
    """What a tab stores for an origin."""

    origin: Origin
    items: dict[str, str]


class StateBody(Body):
    """A browser's state: Playwright's storage state plus sessionStorage."""

    cookies: list[CookieBody] = Field(default=[])
    origins: list[OriginBody] = Field(default=[])
    session_storage: list[TabStorageBody] = Field(default=[], alias="sessionStorage")


class UploadBody(Body):
    """A session to create from an uploaded state."""

    id: str | None = None
    state: Annotated[StateBody, Field(alias="storageState")]
    proxy: str | None = None


class SessionAnswer(TypedDict):
    """A session, without its secrets."""

    id: str
    type: SessionType
    status: SessionStatus
    source: SessionSource
    createdAt: str
    updatedAt: str
    checkedAt: str | None
    """When a check last passed."""


class StartedAnswer(TypedDict):
    """An operation was accepted."""

    status: Literal["started", "pending"]
    operationId: str


class OperationAnswer(TypedDict):
    """The state of an operation."""

    status: Literal["pending", "in_progress", "done", "failed", "canceled"]
    runId: NotRequired[str]
    """While in progress: the check or create being executed, or the operation itself."""
    authSessionId: NotRequired[str]
    message: NotRequired[str]
    error: NotRequired[FailureBody]
    reason: NotRequired[ReasonBody]


def parse_create(value: Any, new_id: str) -> SessionPlan:
    """Parse a create request; `new_id` is used when the request has no id."""
    body = parse(CreateBody, value)
    return SessionPlan(
        id=new_id if body.id is None else body.id,
        operation=SessionOperation.CREATE,
        parameters=body.parameters,
        **plan_fields(body),
    )


def parse_update(value: Any, session_id: str) -> SessionPlan:
    """Parse an update request."""
    body = parse(UpdateBody, value)
    return SessionPlan(
        id=session_id,
        operation=SessionOperation.UPDATE,
        parameters=body.parameters,
        **plan_fields(body),
    )


def parse_record(value: Any, new_id: str) -> SessionPlan:
    """Parse a record request; `new_id` is used when the request has no id."""
    body = parse(RecordBody, value)
    return SessionPlan(
        id=new_id if body.id is None else body.id,
        operation=SessionOperation.RECORD,
        auto_recreate=False,
        check_attempts=body.check_attempts or DEFAULT_ATTEMPTS,
        request_timeout=timedelta(seconds=body.timeout),
        start_url=body.start_url,
        finish_url=body.finish_url,
        proxy=body.proxy,
    )


def parse_validate(value: Any, session_id: str) -> SessionPlan:
    """Parse a validate request."""
    body = parse(ValidateBody, value)
    return SessionPlan(
        id=session_id,
        operation=SessionOperation.VALIDATE,
        auto_recreate=body.auto_recreate is not False,
        **plan_fields(body),
    )


def parse_upload(value: Any, new_id: str) -> tuple[str, AuthState, str | None]:
    """Parse the id, state and proxy of an uploaded session."""
    body = parse(UploadBody, value)
    state = body.state.model_dump(by_alias=True)
    return new_id if body.id is None else body.id, state, body.proxy


def session(session: AuthSession) -> SessionAnswer:
    """The body of a session."""
    return {
        "id": session.id,
        "type": session.type,
        "status": session.status,
        "source": session.source,
        "createdAt": time_text(session.created_at),
        "updatedAt": time_text(session.updated_at),
        "checkedAt": time_text_or_none(session.checked_at),
    }


def operation(run: Run, part_id: str | None) -> OperationAnswer:
    """The body of an operation; `part_id` is the check or create that it has reached."""
    if run.status is RunStatus.PENDING:
        return {"status": "pending"}
    if run.status is RunStatus.STARTED:
        return {"status": "in_progress", "runId": part_id or run.id}
    if run.status is RunStatus.COMPLETED:
        return {"status": "done", "authSessionId": run.auth_session_id or ""}
    status = "failed" if run.status is RunStatus.FAILED else "canceled"
    return {"status": status, **ending(run)}
