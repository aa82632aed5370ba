"""The wire's spellings, here and nowhere else: bodies parsed into values, values made into bodies."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError as InvalidBody, field_validator

from runwright.domain.projects import Api, ApiKey, Deployment, Project, Scope
from runwright.domain.runs import (
    CLIENT_DEFAULT_ATTEMPTS,
    Attempt,
    Failure,
    LogLine,
    Run,
    RunDetail,
    RunFile,
    RunRequest,
    RunStatus,
)
from runwright.errors import Category, Problem, ValidationError

_MAX_TIMEOUT_SECONDS = 86_400
_MAX_ATTEMPTS = 100
_PROXY_SCHEMES = ("http", "https", "socks5")
_Parsed = TypeVar("_Parsed", bound=BaseModel)


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", populate_by_name=True)


class ErrorDetail(_Body):
    """One thing wrong with a request."""

    path: str
    message: str


class ErrorBody(_Body):
    """The body of every answer that is not a success."""

    code: str
    category: Category
    message: str
    retirable: bool
    """Whether the same request may succeed later."""
    correlation_id: str = Field(alias="correlationId")
    details: list[ErrorDetail] | None = None


class RetryBody(_Body):
    """How often to try."""

    maximum_attempts: Annotated[int, Field(ge=1, le=_MAX_ATTEMPTS)] | None = Field(
        default=None, alias="maximumAttempts"
    )


class StartBody(_Body):
    """What starts a Run."""

    api: Annotated[str, Field(min_length=1, max_length=500)]
    parameters: dict[str, Any]
    proxy: str | None = None
    save_trace: bool | None = Field(default=None, alias="saveTrace")
    request_timeout: Annotated[int, Field(ge=1, le=_MAX_TIMEOUT_SECONDS)] | None = Field(
        default=None, alias="requestTimeout"
    )
    retry: RetryBody | None = None
    auth_session: dict[str, Any] | None = Field(default=None, alias="authSession")
    sink: dict[str, Any] | None = None

    @field_validator("proxy")
    @classmethod
    def _is_proxy(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in _PROXY_SCHEMES or not parts.hostname or (parts.port or 1) < 1:
            raise ValueError(
                "must be a URL such as `http://user:pass@host:port` (http, https or socks5)"
            )
        return value

    @field_validator("auth_session", "sink")
    @classmethod
    def _is_absent(cls, value: dict[str, Any] | None) -> None:
        if value is not None:
            raise ValueError("is not available in this version of Runwright: leave it out")


class StartAnswer(_Body):
    """A Run was accepted."""

    run_id: str = Field(alias="runId")
    status: RunStatus


class KeyBody(_Body):
    """What makes an API key."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    scopes: Annotated[list[str], Field(min_length=1)] = Field(default_factory=lambda: ["admin"])


def read_json(body: bytes) -> Any:
    """Parse a request body strictly.

    Raises:
        ValidationError: it is not UTF-8 JSON, or holds NaN, an infinity, or a lone surrogate.
    """
    try:
        text = body.decode("utf-8")
        value = json.loads(text, parse_constant=_refuse_constant)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (UnicodeError, ValueError, RecursionError) as error:
        problem = Problem(path="", message=f"is not JSON that can be read: {error}"[:300])
        raise ValidationError(
            [problem], "The request body is not JSON that can be read."
        ) from error
    return value


def parse_start(value: Any) -> RunRequest:
    """Return what a `run/start` body asks for.

    Raises:
        ValidationError: it names each wrong field.
    """
    body = _parse(StartBody, value)
    return RunRequest(
        api=body.api,
        parameters=body.parameters,
        proxy=body.proxy,
        save_trace=body.save_trace is not False,
        request_timeout=None
        if body.request_timeout is None
        else timedelta(seconds=body.request_timeout),
        maximum_attempts=None
        if body.retry is None
        else body.retry.maximum_attempts or CLIENT_DEFAULT_ATTEMPTS,
    )


def parse_key(value: Any) -> tuple[str, frozenset[Scope]]:
    """Return the name and scopes of a key to make."""
    body = _parse(KeyBody, value)
    unknown = [scope for scope in body.scopes if scope not in set(Scope)]
    if unknown:
        known = ", ".join(f"`{scope.value}`" for scope in Scope)
        raise ValidationError(
            [Problem(path="scopes", message=f"knows no {unknown[0]!r}; there are {known}")]
        )
    return body.name, frozenset(Scope(scope) for scope in body.scopes)


def result_text(run: Run) -> str:
    """Return the body of a Run's result as text; the result itself is put in as it is stored."""
    body: dict[str, Any] = {"runId": run.id, "status": run.status.value}
    if run.status is RunStatus.COMPLETED:
        body["extendedPayloads"] = extended(run)
        return f'{json.dumps(body)[:-1]}, "result": {run.result}}}'
    body |= _ending(run)
    return json.dumps(body)


def extended(run: Run) -> list[dict[str, Any]]:
    """Return the work that a completed Run asked for."""
    return [
        {
            "api": each.api,
            "parameters": each.parameters,
            **({"runId": each.run_id} if each.run_id else {}),
        }
        for each in run.extended_payloads
    ]


def error(failure: Failure) -> dict[str, Any]:
    """Return a Failure as the wire has it."""
    return {
        "message": failure.message,
        "code": failure.code.value,
        "category": failure.category.value,
        "retirable": failure.retryable,
        **({"details": failure.details} if failure.details else {}),
    }


def run_line(run: Run) -> dict[str, Any]:
    """Return a Run as a list shows it."""
    return {
        "runId": run.id,
        "api": run.api,
        "status": run.status.value,
        "attempt": run.attempt,
        "createdAt": _time(run.created_at),
        "startedAt": _time(run.started_at),
        "endedAt": _time(run.ended_at),
    }


def detail_text(detail: RunDetail, project: str, base: str) -> str:
    """Return everything about a Run as text; `base` is the address of its project."""
    run, plan = detail.run, detail.plan
    body: dict[str, Any] = {
        **run_line(run),
        "project": project,
        "deploymentId": str(run.deployment_id),
        "parameters": plan.parameters,
        "saveTrace": plan.save_trace,
        "requestTimeout": int(plan.request_timeout.total_seconds()),
        "maximumAttempts": plan.maximum_attempts,
        **_ending(run),
        "attempts": [_attempt(each) for each in detail.attempts],
        "files": [_file(each, f"{base}/run/{run.id}/files") for each in detail.files],
    }
    if run.status is RunStatus.COMPLETED:
        body["extendedPayloads"] = extended(run)
        return f'{json.dumps(body)[:-1]}, "result": {run.result}}}'
    return json.dumps(body)


def log_line(line: LogLine) -> dict[str, Any]:
    """Return a log line."""
    return {
        "id": line.id,
        "attempt": line.attempt,
        "at": _time(line.at),
        "stream": line.stream,
        "level": line.level,
        "text": line.text,
    }


def deployment(value: Deployment) -> dict[str, Any]:
    """Return a Deployment."""
    apis = () if value.manifest is None else value.manifest.apis
    return {
        "id": str(value.id),
        "number": value.number,
        "status": value.status.value,
        "progress": list(value.progress),
        "error": value.error,
        "apis": [_api(each) for each in apis],
        "created_at": _time(value.created_at),
        "ended_at": _time(value.ended_at),
    }


def project(value: Project) -> dict[str, Any]:
    """Return a project."""
    return {
        "id": str(value.id),
        "name": value.name,
        "created_at": _time(value.created_at),
        "deployment": None if value.current is None else deployment(value.current),
    }


def key(value: ApiKey) -> dict[str, Any]:
    """Return an API key, without its secret."""
    return {
        "id": value.id,
        "name": value.name,
        "scopes": sorted(value.scopes),
        "created_at": _time(value.created_at),
        "revoked_at": _time(value.revoked_at),
    }


def _parse(kind: type[_Parsed], value: Any) -> _Parsed:
    try:
        return kind.model_validate(value)
    except InvalidBody as invalid:
        problems = [
            Problem(
                path=".".join(str(part) for part in each["loc"]),
                message=str(each["msg"]).removeprefix("Value error, "),
            )
            for each in invalid.errors(include_url=False, include_input=False)
        ]
        raise ValidationError(problems) from invalid


def _ending(run: Run) -> dict[str, Any]:
    if run.failure is not None:
        return {"message": run.failure.message, "error": error(run.failure)}
    if run.cancellation is not None:
        cancellation = run.cancellation
        reason = {
            "type": cancellation.reason.value,
            "message": cancellation.message,
            **({"details": cancellation.details} if cancellation.details else {}),
        }
        return {"message": cancellation.message, "reason": reason}
    return {}


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "attempt": attempt.number,
        "status": attempt.status.value,
        "startedAt": _time(attempt.started_at),
        "authorStartedAt": _time(attempt.author_started_at),
        "endedAt": _time(attempt.ended_at),
        **({"error": error(attempt.failure)} if attempt.failure is not None else {}),
    }


def _file(file: RunFile, base: str) -> dict[str, Any]:
    return {
        "id": file.id,
        "kind": file.kind,
        "name": file.name,
        "sizeBytes": file.size_bytes,
        "attempt": file.attempt,
        "url": f"{base}/{file.id}",
    }


def _api(api: Api) -> dict[str, Any]:
    return {
        "name": api.name,
        "description": api.description,
        "parametersSchema": api.parameters_schema,
        "resultSchema": api.result_schema,
    }


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
