"""Shared by all bodies: strict parsing, the error body, times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NotRequired, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError as InvalidBody
from typing_extensions import TypedDict

from runwright.domain.auth_sessions import DEFAULT_ATTEMPTS, DEFAULT_TIMEOUT
from runwright.domain.runs import MAX_ATTEMPTS, MAX_TIMEOUT_SECONDS
from runwright.domain.text import fields, strict_json
from runwright.domain.text.proxies import Proxy
from runwright.errors import Category, Problem, ValidationError

_Parsed = TypeVar("_Parsed", bound=BaseModel)


class Body(BaseModel):
    """A request's body: unknown fields are ignored, and null means absent."""

    model_config = ConfigDict(strict=True, extra="ignore", populate_by_name=True)


class SessionAttempts(Body):
    """How often, and with what time limit, a session is checked and created."""

    proxy: Proxy | None = None
    check_attempts: Annotated[int, Field(ge=1, le=MAX_ATTEMPTS)] | None = Field(
        default=None, alias="checkAttempts"
    )
    create_attempts: Annotated[int, Field(ge=1, le=MAX_ATTEMPTS)] | None = Field(
        default=None, alias="createAttempts"
    )
    request_timeout: Annotated[int, Field(ge=1, le=MAX_TIMEOUT_SECONDS)] | None = Field(
        default=None, alias="requestTimeout"
    )
    save_trace: bool | None = Field(default=None, alias="saveTrace")


class ErrorDetail(TypedDict):
    """One problem with a request."""

    path: str
    message: str


class ErrorBody(TypedDict):
    """The body of every error response."""

    code: str
    category: Category
    message: str
    retirable: bool
    """Whether the same request may succeed later."""
    correlationId: str
    details: NotRequired[list[ErrorDetail]]


def read_json(body: bytes) -> Any:
    """Parse a request body strictly.

    Raises:
        ValidationError: the body is not UTF-8 JSON, or contains NaN, an infinity, a number out of range,
            or a lone surrogate.
    """
    try:
        return strict_json.read(body.decode("utf-8"))
    except ValueError as error:
        problem = Problem(path="", message=f"is not valid JSON: {error}"[:300])
        raise ValidationError([problem], "The request body is not valid JSON.") from error


def parse(kind: type[_Parsed], value: Any) -> _Parsed:
    """Validate a parsed JSON value as a body of that kind.

    Raises:
        ValidationError: names each invalid field.
    """
    try:
        return kind.model_validate(value)
    except InvalidBody as invalid:
        # What it shows of the body may be secret.
        raise ValidationError(fields.problems(invalid)) from None


def plan_fields(body: SessionAttempts) -> dict[str, Any]:
    """The fields of a `SessionPlan` that a body sets."""
    timeout = body.request_timeout
    return {
        "proxy": body.proxy,
        "check_attempts": body.check_attempts or DEFAULT_ATTEMPTS,
        "create_attempts": body.create_attempts or DEFAULT_ATTEMPTS,
        "request_timeout": DEFAULT_TIMEOUT if timeout is None else timedelta(seconds=timeout),
        "save_trace": body.save_trace,
    }


def in_utc(at: datetime) -> datetime:
    """An aware time, in UTC.

    Raises:
        ValueError: in UTC the time is before the year 1 or after 9999.
    """
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("must be between the years 1 and 9999 in UTC") from error


def time_text(at: datetime) -> str:
    """A time as ISO 8601."""
    return at.isoformat()


def time_text_or_none(at: datetime | None) -> str | None:
    """A time as ISO 8601, or None."""
    return None if at is None else at.isoformat()
