"""Routes of Runs."""

from __future__ import annotations

import functools
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from runwright.control.projects import projects
from runwright.control.runs import author_calls, runs
from runwright.domain.ids import LARGEST_ROW_ID
from runwright.domain.runs import Run, RunDetail
from runwright.errors import Problem, ValidationError
from runwright.web.server import bodies
from runwright.web.server.callers import Caller, Reader, Starter
from runwright.web.wire import run_requests, runs as wire

PROJECT = "/{workspace_id}/projects/{project_name}"
_MAX_WAIT_SECONDS = 60
_MAX_KEY_LENGTH = 255
_LOG_PAGE = 1000
_SCHEMA = {"type": "string"}

Wait = Annotated[
    float,
    Query(ge=0, le=_MAX_WAIT_SECONDS, allow_inf_nan=False, description="Maximum seconds to wait."),
]
routes = APIRouter()


def router(start_status: int) -> APIRouter:
    """All routes; `start_status` is the status of `run/start`, the only difference between the mounts."""
    mounted = APIRouter()
    mounted.add_api_route(
        f"{PROJECT}/run/start",
        start,
        methods=["POST"],
        status_code=start_status,
        response_model=wire.StartAnswer,
        openapi_extra=bodies.documented(
            bodies.JSON, run_requests.StartBody.model_json_schema(by_alias=True)
        ),
    )
    mounted.include_router(routes)
    return mounted


async def start(
    request: Request,
    caller: Starter,
    project_name: str,
    idempotency_key: Annotated[str | None, Header()] = None,
) -> Response:
    """Start a Run; it is stored durably before the response."""
    value = await bodies.read_json(request)
    asked = run_requests.parse_start(value)
    run = await runs.start(
        caller.platform,
        await caller.project(project_name),
        asked,
        idempotency_key=checked_key(idempotency_key),
        request_text=json.dumps(value, sort_keys=True),
    )
    return bodies.answer(wire.started(run), request.scope["route"].status_code)


@routes.get(f"{PROJECT}/run/{{run_id}}/result", response_model=wire.ResultAnswer)
async def result(caller: Reader, project_name: str, run_id: str, wait: Wait = 0) -> Response:
    """Get a Run's status and result, once it has ended or the wait is over."""
    project = await caller.project(project_name)
    run = await runs.wait(caller.platform, project.id, run_id, patience=timedelta(seconds=wait))
    return bodies.answer_text(wire.result_text(run))


@routes.post(f"{PROJECT}/run/{{run_id}}/cancel", response_model=wire.ResultAnswer)
async def cancel(caller: Starter, project_name: str, run_id: str) -> Response:
    """Cancel a Run; one that has ended stays as it is."""
    project = await caller.project(project_name)
    run = await runs.cancel(caller.platform, project.id, run_id)
    return bodies.answer_text(wire.result_text(run))


@routes.get(f"{PROJECT}/runs", response_model=wire.RunsAnswer)
async def list_runs(
    caller: Reader, project_name: str, query: Annotated[run_requests.ListQuery, Query()]
) -> Response:
    """List the Runs of a project, newest first."""
    project = await caller.project(project_name)
    found, following = await runs.list_page(
        caller.platform,
        project.id,
        chosen=run_requests.run_filter(query),
        cursor=query.cursor,
        limit=query.limit,
    )
    page: wire.RunsAnswer = {
        "runs": [wire.run_line(run) for run in found],
        "nextCursor": following,
    }
    return bodies.answer(page)


@routes.get(f"{PROJECT}/run/{{run_id}}", response_model=wire.DetailAnswer)
async def detail(request: Request, caller: Reader, project_name: str, run_id: str) -> Response:
    """Get all details of a Run."""
    project = await caller.project(project_name)
    found = await runs.detail(caller.platform, caller.workspace_id, run_id, project_id=project.id)
    return _detail(request, caller, found, project_name)


@routes.get("/{workspace_id}/runs/{run_id}", response_model=wire.DetailAnswer)
async def detail_by_id(request: Request, caller: Reader, run_id: str) -> Response:
    """Get all details of a Run by id alone, when its project is unknown."""
    found = await runs.detail(caller.platform, caller.workspace_id, run_id)
    name = await projects.name_of(caller.platform, found.run.project_id)
    return _detail(request, caller, found, name)


@routes.get(
    f"{PROJECT}/run/{{run_id}}/logs",
    response_class=Response,
    responses={200: {"content": {"application/x-ndjson": {"schema": _SCHEMA}}}},
)
async def logs(
    caller: Reader,
    project_name: str,
    run_id: str,
    after: Annotated[int, Query(ge=0, le=LARGEST_ROW_ID)] = 0,
    limit: Annotated[int, Query(ge=1, le=10_000)] = _LOG_PAGE,
) -> Response:
    """Get lines of a Run's log after an id, one JSON object per line."""
    run = await _find(caller, project_name, run_id)
    lines = await runs.logs(caller.platform, run.id, after=after, limit=limit)
    text = "".join(json.dumps(wire.log_line(line)) + "\n" for line in lines)
    return Response(text, media_type="application/x-ndjson")


@routes.get(
    f"{PROJECT}/run/{{run_id}}/files/{{file_id}}",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {"schema": _SCHEMA}}}},
)
async def file(caller: Reader, project_name: str, run_id: str, file_id: int) -> Response:
    """Download a file of a Run."""
    project = await caller.project(project_name)
    known_id = min(max(file_id, 0), LARGEST_ROW_ID)
    found = await runs.file(caller.platform, project.id, run_id, known_id)
    return StreamingResponse(
        await runs.open_file(caller.platform, found),
        media_type="application/octet-stream",
        headers={
            "content-disposition": f'attachment; filename="{_plain(found.name)}"',
            "content-length": str(found.size_bytes),
            "x-content-type-options": "nosniff",
        },
    )


@routes.get(
    f"{PROJECT}/run/{{run_id}}/events",
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {"schema": _SCHEMA}}}},
)
async def events(
    caller: Reader,
    project_name: str,
    run_id: str,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """Follow the states and log lines of a Run until it ends, as server-sent events."""
    run = await _find(caller, project_name, run_id)
    after = int(last_event_id) if last_event_id and last_event_id.isdecimal() else 0
    return StreamingResponse(
        _events(caller, run, min(after, LARGEST_ROW_ID)),
        media_type="text/event-stream",
        headers={"cache-control": "no-store"},
    )


def _detail(request: Request, caller: Caller, found: RunDetail, project_name: str) -> Response:
    sign = functools.partial(author_calls.file_link, caller.platform)
    text = wire.detail_text(found, project_name, _base(request, project_name), sign)
    return bodies.answer_text(text)


async def _find(caller: Caller, project_name: str, run_id: str) -> Run:
    project = await caller.project(project_name)
    return await runs.get(caller.platform, project.id, run_id)


async def _events(caller: Caller, run: Run, after: int) -> AsyncIterator[str]:
    async for event in runs.events(caller.platform, run.project_id, run.id, after=after):
        if isinstance(event, Run):
            yield f"event: status\ndata: {json.dumps(wire.run_line(event))}\n\n"
        else:
            yield f"id: {event.id}\nevent: log\ndata: {json.dumps(wire.log_line(event))}\n\n"


def checked_key(key: str | None) -> str | None:
    """An idempotency key, unchanged.

    Raises:
        ValidationError: the key is invalid.
    """
    if key is None:
        return None
    if not (1 <= len(key) <= _MAX_KEY_LENGTH and key.isascii() and key.isprintable()):
        message = f"must be 1 to {_MAX_KEY_LENGTH} printable ASCII characters"
        raise ValidationError([Problem(path="Idempotency-Key", message=message)])
    return key


def _plain(name: str) -> str:
    """A file's name without characters that could break out of a header."""
    return "".join(
        char if char.isascii() and char.isprintable() and char not in '"\\' else "_"
        for char in name
    )


def _base(request: Request, project_name: str) -> str:
    mount, _, rest = request.url.path.partition("/v1/workspace/")
    return f"{mount}/v1/workspace/{rest.partition('/')[0]}/projects/{project_name}"
