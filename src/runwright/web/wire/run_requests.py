"""Requests for Runs: starting one, and filtering a list."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, Field, field_validator, model_validator

from runwright.domain.auth_sessions import SESSION_ID_RULE, SessionPlan, is_session_id
from runwright.domain.deliveries.sinks import SinkBody
from runwright.domain.runs import (
    CLIENT_DEFAULT_ATTEMPTS,
    MAX_ATTEMPTS,
    MAX_TIMEOUT_SECONDS,
    RunFilter,
    RunRequest,
    RunStatus,
)
from runwright.domain.text.proxies import Proxy
from runwright.errors import Problem, ValidationError
from runwright.web.wire.common import Body, SessionAttempts, in_utc, parse, plan_fields, read_json

_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


class RetryBody(Body):
    """The number of attempts."""

    maximum_attempts: Annotated[int, Field(ge=1, le=MAX_ATTEMPTS)] | None = Field(
        default=None, alias="maximumAttempts"
    )


class SessionBody(SessionAttempts):
    """The AuthSession that a Run uses: an existing one, or one created from `runtimeInput`."""

    id: str | None = None
    runtime_input: dict[str, Any] | None = Field(default=None, alias="runtimeInput")
    auto_recreate: bool | None = Field(default=None, alias="autoRecreate")
    check_every: Annotated[int, Field(ge=0)] | None = Field(default=None, alias="checkEvery")

    @model_validator(mode="after")
    def _is_one_or_the_other(self) -> SessionBody:
        if self.id is None and self.runtime_input is None:
            raise ValueError("must have an `id`, or a `runtimeInput` to create one from")
        if self.runtime_input is not None and self.auto_recreate is False:
            raise ValueError("with `runtimeInput`, `autoRecreate` cannot be false")
        return self


class StartBody(Body):
    """The request to start a Run."""

    api: Annotated[str, Field(min_length=1, max_length=500)]
    parameters: dict[str, Any]
    proxy: Proxy | None = None
    save_trace: bool | None = Field(default=None, alias="saveTrace")
    save_har: bool | None = Field(default=None, alias="saveHar")
    request_timeout: Annotated[int, Field(ge=1, le=MAX_TIMEOUT_SECONDS)] | None = Field(
        default=None, alias="requestTimeout"
    )
    retry: RetryBody | None = None
    auth_session: SessionBody | None = Field(default=None, alias="authSession")
    sink: SinkBody | None = None


class ListQuery(BaseModel):
    """Filter and page of a list of Runs."""

    api: str | None = None
    status: RunStatus | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    attribute: str | None = Field(default=None, description="`name:value`")
    job_id: str | None = Field(default=None, alias="jobId")
    job_run_id: str | None = Field(default=None, alias="jobRunId")
    drifted: bool | None = None
    cursor: str | None = None
    limit: int = Field(default=50, ge=1, le=200)

    @field_validator("since", "until")
    @classmethod
    def _is_in_utc(cls, value: datetime | None) -> datetime | None:
        return None if value is None else in_utc(value)


def parse_start(value: Any) -> RunRequest:
    """Parse a `run/start` body.

    Raises:
        ValidationError: names each invalid field.
    """
    body = parse(StartBody, value)
    return RunRequest(
        api=body.api,
        parameters=body.parameters,
        proxy=body.proxy,
        save_trace=body.save_trace is not False,
        save_har=body.save_har is True,
        request_timeout=None
        if body.request_timeout is None
        else timedelta(seconds=body.request_timeout),
        maximum_attempts=None
        if body.retry is None
        else body.retry.maximum_attempts or CLIENT_DEFAULT_ATTEMPTS,
        session=None if body.auth_session is None else _session(body.auth_session),
        sink=body.sink,
    )


def _session(body: SessionBody) -> SessionPlan:
    if body.id is not None and not is_session_id(body.id):
        raise ValidationError([Problem(path="authSession.id", message=SESSION_ID_RULE)])
    return SessionPlan(
        id=body.id or "",
        auto_recreate=body.auto_recreate is not False,
        check_every=None if body.check_every is None else timedelta(seconds=body.check_every),
        parameters=body.runtime_input,
        **plan_fields(body),
    )


def run_filter(query: ListQuery) -> RunFilter:
    """The filter of a list request.

    Raises:
        ValidationError: the attribute does not have the form `name:value`.
    """
    return RunFilter(
        api=query.api,
        status=query.status,
        since=query.since,
        until=query.until,
        attribute=None if query.attribute is None else _attribute(query.attribute),
        job_id=query.job_id,
        job_run_id=query.job_run_id,
        is_drifted=query.drifted,
    )


def _attribute(text: str) -> tuple[str, Any]:
    """Label and value of `name:value`; the value is parsed as JSON if possible, else a string."""
    name, separator, value = text.partition(":")
    if not separator or not name:
        raise ValidationError([Problem(path="attribute", message="must be `name:value`")])
    if "\0" in text or _ESCAPED_NUL.search(value):
        raise ValidationError(
            [Problem(path="attribute", message="must not contain the character NUL")]
        )
    try:
        return name, read_json(value.encode("utf-8", "replace"))
    except ValidationError:
        return name, value.encode("utf-8", "replace").decode()
