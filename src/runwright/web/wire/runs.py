"""Responses about Runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NotRequired

from typing_extensions import TypedDict

from runwright.domain import runs as domain
from runwright.domain.failures import Failure
from runwright.domain.models.model_usage import ModelUse
from runwright.domain.runs import (
    AttemptStatus,
    Run,
    RunStatus,
)
from runwright.errors import CancelReason, Category, FailureCode
from runwright.web.wire import drift
from runwright.web.wire.common import (
    time_text,
    time_text_or_none,
)
from runwright.web.wire.deliveries import DeliveryLine, delivery_line
from runwright.web.wire.drift import DriftBody
from runwright.web.wire.live import QuestionBody, question


class StartAnswer(TypedDict):
    """A Run was accepted."""

    runId: str
    status: RunStatus


class ExtendedPayload(TypedDict):
    """Follow-up work that a completed Run requested."""

    api: str
    parameters: dict[str, Any]
    runId: NotRequired[str]


class FailureBody(TypedDict):
    """What went wrong with a Run or an Attempt."""

    message: str
    code: FailureCode
    category: Category
    retirable: bool
    details: NotRequired[dict[str, Any]]


class ReasonBody(TypedDict):
    """Why a Run was canceled."""

    type: CancelReason
    message: str
    details: NotRequired[dict[str, Any]]


class Ending(TypedDict):
    """How a Run that did not complete ended."""

    message: NotRequired[str]
    error: NotRequired[FailureBody]
    reason: NotRequired[ReasonBody]


class ResultAnswer(Ending):
    """A Run's status and result."""

    runId: str
    status: RunStatus
    result: NotRequired[Any]
    extendedPayloads: NotRequired[list[ExtendedPayload]]


class RunLine(TypedDict):
    """A Run in a list."""

    runId: str
    api: str
    status: RunStatus
    attempt: int
    jobRunId: str | None
    attributes: dict[str, Any]
    drift: DriftBody | None
    """How its result deviates from the usual; examined within seconds of its end."""
    createdAt: str
    startedAt: str | None
    endedAt: str | None


class RunsAnswer(TypedDict):
    """A page of Runs, newest first."""

    runs: list[RunLine]
    nextCursor: str | None


class AttemptBody(TypedDict):
    """One Attempt of a Run."""

    attempt: int
    status: AttemptStatus
    startedAt: str
    authorStartedAt: str | None
    endedAt: str | None
    error: NotRequired[FailureBody]


class FileBody(TypedDict):
    """A file of a Run."""

    id: int
    kind: str
    name: str
    sizeBytes: int
    attempt: int
    url: str
    """Path on this server, for clients with a key."""
    signedUrl: str
    """Signed path on this server, which needs no key and is valid for a day."""


class SessionUse(TypedDict):
    """The AuthSession that a Run uses."""

    id: str
    autoRecreate: bool
    checkAttempts: int
    createAttempts: int
    checkEvery: float
    waitedFor: str | None
    """The operation that created or repaired it for this Run; it is a Run itself."""


class Session(TypedDict):
    """A Run's AuthSession, if any."""

    authSession: NotRequired[SessionUse]


class PartBody(TypedDict):
    """A check or create, executed for a Run or an operation."""

    runId: str
    kind: str
    """`check` or `create`."""
    status: RunStatus
    attempt: int
    startedAt: str | None
    endedAt: str | None
    error: NotRequired[FailureBody]


class ModelUseBody(TypedDict):
    """A Run's usage of one language model."""

    provider: str
    model: str
    calls: int
    failedCalls: int
    estimatedCalls: int
    """Calls whose provider did not report full usage, or that were interrupted before it did."""
    unpricedCalls: int
    """Calls of a model without a price, which are not included in the cost."""
    inputTokens: int
    """All input tokens, including those of the next two fields."""
    cachedTokens: int
    cacheWriteTokens: int
    outputTokens: int
    costUsd: float


class DetailAnswer(RunLine, Ending, Session):
    """Everything about a Run."""

    project: str
    correlationId: str | None
    """The correlation id of the request that started it."""
    deploymentId: str
    parameters: dict[str, Any]
    saveTrace: bool
    saveHar: bool
    requestTimeout: int
    maximumAttempts: int
    attempts: list[AttemptBody]
    parts: list[PartBody]
    """The checks and creates of its AuthSession, each a Run itself."""
    files: list[FileBody]
    deliveries: list[DeliveryLine]
    question: QuestionBody | None
    """Its open question."""
    models: list[ModelUseBody]
    """Its usage of language models through the gateway, including its checks and creates."""
    modelCostUsd: float
    """The total cost of that usage."""
    result: NotRequired[Any]
    extendedPayloads: NotRequired[list[ExtendedPayload]]


class LogLine(TypedDict):
    """One line of a log."""

    id: int
    attempt: int
    at: str
    stream: str
    level: str
    text: str


def started(run: Run) -> StartAnswer:
    """The response to `run/start`."""
    return {"runId": run.id, "status": run.status}


def result_text(run: Run) -> str:
    """A Run's result as JSON text; the stored result is inserted as is."""
    body: ResultAnswer = {"runId": run.id, "status": run.status, **ending(run)}
    return _with_result(run, body)


def run_line(run: Run) -> RunLine:
    """A Run in a list."""
    return {
        "runId": run.id,
        "api": run.api,
        "status": run.status,
        "attempt": run.attempt,
        "jobRunId": run.job_run_id,
        "attributes": run.attributes,
        "drift": None if run.drift is None else drift.drift(run.drift),
        "createdAt": time_text(run.created_at),
        "startedAt": time_text_or_none(run.started_at),
        "endedAt": time_text_or_none(run.ended_at),
    }


def detail_text(
    detail: domain.RunDetail, project: str, base: str, sign: Callable[[domain.RunFile], str]
) -> str:
    """All details of a Run as JSON text.

    `base` is the address of its project; `sign` makes a file's signed link.
    """
    run, plan = detail.run, detail.plan
    body: DetailAnswer = {
        **run_line(run),
        "project": project,
        "correlationId": detail.correlation_id,
        "deploymentId": str(run.deployment_id),
        "parameters": plan.parameters,
        "saveTrace": plan.save_trace,
        "saveHar": plan.save_har,
        "requestTimeout": int(plan.request_timeout.total_seconds()),
        "maximumAttempts": plan.maximum_attempts,
        **ending(run),
        **_session_use(detail),
        "parts": [_part(each) for each in detail.parts],
        "attempts": [_attempt(each) for each in detail.attempts],
        "deliveries": [delivery_line(each) for each in detail.deliveries],
        "question": None if detail.question is None else question(detail.question),
        "files": [_file(each, f"{base}/run/{run.id}/files", sign(each)) for each in detail.files],
        "models": [_model_use(each) for each in detail.models],
        "modelCostUsd": float(sum(each.usd for each in detail.models)),
    }
    return _with_result(run, body)


def log_line(line: domain.LogLine) -> LogLine:
    """The body of a log line."""
    return {
        "id": line.id,
        "attempt": line.attempt,
        "at": time_text(line.at),
        "stream": line.stream,
        "level": line.level,
        "text": line.text,
    }


def _with_result(run: Run, body: ResultAnswer | DetailAnswer) -> str:
    if run.status is not RunStatus.COMPLETED:
        return json.dumps(body)
    body["extendedPayloads"] = [_extended(each) for each in run.extended_payloads]
    return f'{json.dumps(body)[:-1]}, "result": {run.result}}}'


def _extended(payload: domain.ExtendedPayload) -> ExtendedPayload:
    body: ExtendedPayload = {"api": payload.api, "parameters": payload.parameters}
    if payload.run_id is not None:
        body["runId"] = payload.run_id
    return body


def _session_use(detail: domain.RunDetail) -> Session:
    session = detail.plan.session
    if session is None:
        return {}
    use: SessionUse = {
        "id": session.id,
        "autoRecreate": session.auto_recreate,
        "checkAttempts": session.check_attempts,
        "createAttempts": session.create_attempts,
        "checkEvery": (session.check_every or timedelta(0)).total_seconds(),
        "waitedFor": detail.waited_for,
    }
    return {"authSession": use}


def _part(run: Run) -> PartBody:
    body: PartBody = {
        "runId": run.id,
        "kind": run.kind.value,
        "status": run.status,
        "attempt": run.attempt,
        "startedAt": time_text_or_none(run.started_at),
        "endedAt": time_text_or_none(run.ended_at),
    }
    if run.failure is not None:
        body["error"] = failure_body(run.failure)
    return body


def _model_use(use: ModelUse) -> ModelUseBody:
    return {
        "provider": use.provider.value,
        "model": use.model,
        "calls": use.calls,
        "failedCalls": use.failed_calls,
        "estimatedCalls": use.estimated_calls,
        "unpricedCalls": use.unpriced_calls,
        "inputTokens": use.usage.input_tokens,
        "cachedTokens": use.usage.cached_tokens,
        "cacheWriteTokens": use.usage.written_tokens,
        "outputTokens": use.usage.output_tokens,
        "costUsd": float(use.usd),
    }


def failure_body(failure: Failure) -> FailureBody:
    """The body of a failure of a Run or an Attempt."""
    body: FailureBody = {
        "message": failure.message,
        "code": failure.code,
        "category": failure.category,
        "retirable": failure.retryable,
    }
    if failure.details:
        body["details"] = failure.details
    return body


def ending(run: Run) -> Ending:
    """How a Run or operation that did not complete ended."""
    if run.failure is not None:
        return {"message": run.failure.message, "error": failure_body(run.failure)}
    if run.cancellation is None:
        return {}
    reason: ReasonBody = {
        "type": run.cancellation.reason,
        "message": run.cancellation.message,
    }
    if run.cancellation.details:
        reason["details"] = run.cancellation.details
    return {"message": run.cancellation.message, "reason": reason}


def _attempt(attempt: domain.Attempt) -> AttemptBody:
    body: AttemptBody = {
        "attempt": attempt.number,
        "status": attempt.status,
        "startedAt": time_text(attempt.started_at),
        "authorStartedAt": time_text_or_none(attempt.author_started_at),
        "endedAt": time_text_or_none(attempt.ended_at),
    }
    if attempt.failure is not None:
        body["error"] = failure_body(attempt.failure)
    return body


def _file(file: domain.RunFile, base: str, signed: str) -> FileBody:
    return {
        "id": file.id,
        "kind": file.kind,
        "name": file.name,
        "sizeBytes": file.size_bytes,
        "attempt": file.attempt,
        "url": f"{base}/{file.id}",
        "signedUrl": signed,
    }
