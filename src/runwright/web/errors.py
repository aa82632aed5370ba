"""Every answer that is not a success has one body; what nobody foresaw is told of and logged here."""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from runwright import telemetry
from runwright.errors import (
    Category,
    MethodNotAllowed,
    NotFound,
    PlatformError,
    Problem,
    RequestError,
    Unavailable,
    ValidationError,
)
from runwright.storage import database
from runwright.web.wire.common import ErrorBody

log = telemetry.logger(__name__)

_correlation_id: ContextVar[str] = ContextVar("correlation_id", default="")
_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def install(app: FastAPI) -> None:
    """Have the app answer every error with the common body."""
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
        correlation_id = secrets.token_hex(8)
        token = _correlation_id.set(correlation_id)
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

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            # Starlette raises what it has answered; an answer cut in the middle must look like one.
            if not is_answered:
                raise
        finally:
            structlog.contextvars.unbind_contextvars("correlation_id")
            _correlation_id.reset(token)


async def _answer_unforeseen(request: Request, error: Exception) -> Response:
    if database.is_connection_lost(error):
        log.warning("request lost the database", event_name="request_database_lost")
        return await _answer_platform_error(
            request, Unavailable("The database does not answer just now: try again.")
        )
    if database.is_full(error):
        log.error("disk full", event_name="disk_full", error=str(error))
        return await _answer_platform_error(
            request, Unavailable("The server's disk is full: its operator must make room.")
        )
    log.error("request failed", event_name="request_failed", path=request.url.path, exc_info=error)
    return _answer(
        500,
        PlatformError.code,
        PlatformError.category,
        "Runwright failed; its log has the cause under this correlation id.",
        is_retryable=True,
    )


async def _answer_request_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    problems = error.problems if isinstance(error, ValidationError) else None
    return _answer(
        error.status, error.code, error.category, error.message,
        is_retryable=error.retryable, problems=problems,
    )  # fmt: skip


async def _answer_platform_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, PlatformError)
    return _answer(
        error.status, error.code, error.category, error.message, is_retryable=error.retryable
    )


async def _answer_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(each["loc"][0] == "path" for each in found):
        return await _answer_request_error(request, NotFound())
    problems = [
        Problem(path=".".join(str(part) for part in each["loc"][1:]), message=str(each["msg"]))
        for each in found
    ]
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
        "correlationId": _correlation_id.get(),
    }
    if problems is not None:
        body["details"] = [{"path": each.path, "message": each.message} for each in problems]
    headers = {"retry-after": "1"} if status == 503 else {}  # noqa: PLR2004
    return Response(json.dumps(body), status, headers, "application/json")
