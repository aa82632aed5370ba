"""Gives every error response the same body; unexpected errors are logged and reported here."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from runwright import db_errors, telemetry, tracing
from runwright.domain.text import fields
from runwright.errors import (
    Category,
    Conflict,
    MethodNotAllowed,
    NotFound,
    PlatformError,
    Problem,
    ProviderFailed,
    RateLimited,
    RequestError,
    TooSlow,
    Unavailable,
    ValidationError,
)
from runwright.web.wire.common import ErrorBody

log = telemetry.logger(__name__)

_CORRELATION_ID = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def install(app: FastAPI) -> None:
    """Make the app answer every error with the common body."""
    app.add_exception_handler(RequestError, _answer_request_error)
    app.add_exception_handler(PlatformError, _answer_platform_error)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(Exception, _answer_unforeseen)


class Guard:
    """The outermost layer: a correlation id for every request, and the one catch-all."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        correlation_id = _given(scope) or secrets.token_hex(8)
        token = telemetry.correlation_id.set(correlation_id)
        structlog.contextvars.bind_contextvars(correlation_id=correlation_id)
        is_answered = False

        async def send_with_id(message: MutableMapping[str, Any]) -> None:
            nonlocal is_answered
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    (b"x-correlation-id", correlation_id.encode()),
                ]
            elif message["type"] == "http.response.body":
                is_answered = not message.get("more_body", False)
            await send(message)

        parent = _header(scope, b"traceparent")
        try:
            with tracing.span(f"{scope['method']} request", parent=parent, path=scope["path"]):
                await self._app(scope, receive, send_with_id)
        except Exception:
            # Starlette re-raises errors it has answered; a response cut off in the middle must still look cut off.
            if not is_answered:
                raise
        finally:
            structlog.contextvars.unbind_contextvars("correlation_id")
            telemetry.correlation_id.reset(token)


def _header(scope: _Scope, wanted: bytes) -> str | None:
    return next(
        (value.decode("latin-1") for name, value in scope["headers"] if name == wanted), None
    )


def _given(scope: _Scope) -> str | None:
    """The correlation id sent by the client, if it is safe in a log and a header."""
    for name, value in scope["headers"]:
        if name == b"x-correlation-id" and _CORRELATION_ID.fullmatch(value):
            return value.decode()
    return None


async def _answer_unforeseen(request: Request, error: Exception) -> Response:
    return answer(told(request, error))


def told(request: Request, error: Exception) -> PlatformError | Conflict:
    """Log an unexpected error, and return the error to report for it."""
    if db_errors.is_passing(error):
        log.warning("database lost during request", event_name="request_database_lost")
        return Unavailable("The database is temporarily unavailable: try again.")
    if db_errors.is_removal(error):
        log.warning("request came after removal", event_name="request_too_late", error=str(error))
        return Conflict(
            "A record that this request depends on was just removed: check what exists and try again."
        )
    if db_errors.is_full(error):
        log.error("disk full", event_name="disk_full", error=str(error))
        return Unavailable("The server's disk is full: its operator must free space.")
    log.error("request failed", event_name="request_failed", path=request.url.path, exc_info=error)
    return PlatformError("Runwright failed: find the cause in its log under this correlation id.")


def correlation_id() -> str:
    """The id under which the log records this request."""
    return telemetry.correlation_id.get() or ""


def answer(error: RequestError | PlatformError) -> Response:
    """The response that reports an error."""
    problems = error.problems if isinstance(error, ValidationError) else None
    found = _answer(
        error.status, error.code, error.category, error.message,
        is_retryable=error.retryable, problems=problems,
    )  # fmt: skip
    if isinstance(error, RateLimited | Unavailable):
        found.headers["retry-after"] = str(error.retry_after)
    if isinstance(error, ProviderFailed) and not error.retryable:
        # Clients of language models retry a 5xx unless this header forbids it.
        found.headers["x-should-retry"] = "false"
    if isinstance(error, TooSlow):
        # The rest of the body is not read.
        found.headers["connection"] = "close"
    return found


async def _answer_request_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return answer(error)


async def _answer_platform_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, PlatformError)
    return answer(error)


async def _answer_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(each["loc"][0] == "path" for each in found):
        return await _answer_request_error(request, NotFound())
    problems = [fields.problem(each, skipped=1) for each in found]
    return await _answer_request_error(request, ValidationError(problems))


async def _answer_http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    known: dict[int, type[RequestError]] = {404: NotFound, 405: MethodNotAllowed}
    kind = known.get(error.status_code)
    message = kind().message if kind else str(error.detail)
    answer = _answer(
        error.status_code,
        kind.code if kind else "bad-request",
        Category.USER,
        message,
        is_retryable=False,
    )
    answer.headers.update(error.headers or {})
    return answer


def _answer(
    status: int,
    code: str,
    category: Category,
    message: str,
    *,
    is_retryable: bool,
    problems: list[Problem] | None = None,
) -> Response:
    body: ErrorBody = {
        "code": code,
        "category": category,
        "message": message,
        "retirable": is_retryable,
        "correlationId": telemetry.correlation_id.get() or "",
    }
    if problems is not None:
        body["details"] = [{"path": each.path, "message": each.message} for each in problems]
    return Response(json.dumps(body), status, media_type="application/json")
