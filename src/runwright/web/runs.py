"""Routes of Runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from runwright.control import projects, runs
from runwright.domain.projects import Scope
from runwright.domain.runs import Run, RunStatus
from runwright.errors import Problem, UnsupportedMediaType, ValidationError
from runwright.web import errors, wire
from runwright.web.callers import Caller, identify

_JSON = "application/json"
_PROJECT = "/{workspace_id}/projects/{project_name}"
_MAX_WAIT_SECONDS = 60
_MAX_KEY_LENGTH = 255
_LOG_PAGE = 1000

Wait = Annotated[float, Query(ge=0, le=_MAX_WAIT_SECONDS, allow_inf_nan=False)]
FileId = int
_LARGEST_ID = 2**63 - 1


def router(start_status: int) -> APIRouter:
    """Return the routes; `start_status` is what `run/start` answers, the one difference of the mounts."""
    routes = APIRouter()

    @routes.post(
        f"{_PROJECT}/run/start",
        status_code=start_status,
        response_model=wire.StartAnswer,
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {_JSON: {"schema": wire.StartBody.model_json_schema(by_alias=True)}},
            }
        },
    )
    async def start(
        request: Request,
        workspace_id: str,
        project_name: str,
        idempotency_key: Annotated[str | None, Header()] = None,
    ) -> Response:
        caller = await identify(request, workspace_id, Scope.RUN)
        value = await read_json(request)
        asked = wire.parse_start(value)
        run = await runs.start(
            caller.platform,
            await caller.project(project_name),
            asked,
            idempotency_key=_checked_key(idempotency_key),
            request_sha256=hashlib.sha256(json.dumps(value, sort_keys=True).encode()).digest(),
        )
        return _json(json.dumps({"runId": run.id, "status": run.status.value}), start_status)

    @routes.get(f"{_PROJECT}/run/{{run_id}}/result")
    async def result(
        request: Request, workspace_id: str, project_name: str, run_id: str, wait: Wait = 0
    ) -> Response:
        caller = await identify(request, workspace_id, Scope.READ)
        project = await caller.project(project_name)
        run = await runs.wait(caller.platform, project.id, run_id, timeout=timedelta(seconds=wait))
        return _json(wire.result_text(run))

    @routes.post(f"{_PROJECT}/run/{{run_id}}/cancel")
    async def cancel(
        request: Request, workspace_id: str, project_name: str, run_id: str
    ) -> Response:
        caller = await identify(request, workspace_id, Scope.RUN)
        project = await caller.project(project_name)
        return _json(wire.result_text(await runs.cancel(caller.platform, project.id, run_id)))

    @routes.get(f"{_PROJECT}/runs")
    async def list_runs(  # noqa: PLR0913
        request: Request,
        workspace_id: str,
        project_name: str,
        api: str | None = None,
        status: RunStatus | None = None,
        cursor: str | None = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> Response:
        caller = await identify(request, workspace_id, Scope.READ)
        project = await caller.project(project_name)
        found, following = await runs.list_page(
            caller.platform, project.id, api=api, status=status, cursor=cursor, limit=limit
        )
        return _json(
            json.dumps({"runs": [wire.run_line(run) for run in found], "nextCursor": following})
        )

    @routes.get(f"{_PROJECT}/run/{{run_id}}")
    async def detail(
        request: Request, workspace_id: str, project_name: str, run_id: str
    ) -> Response:
        caller = await identify(request, workspace_id, Scope.READ)
        project = await caller.project(project_name)
        found = await runs.detail(
            caller.platform, caller.workspace_id, run_id, project_id=project.id
        )
        return _json(
            wire.detail_text(found, project.name, _base(request, workspace_id, project.name))
        )

    @routes.get("/{workspace_id}/runs/{run_id}")
    async def detail_by_id(request: Request, workspace_id: str, run_id: str) -> Response:
        caller = await identify(request, workspace_id, Scope.READ)
        found = await runs.detail(caller.platform, caller.workspace_id, run_id)
        name = await projects.name_of(caller.platform, found.run.project_id)
        return _json(wire.detail_text(found, name, _base(request, workspace_id, name)))

    @routes.get(f"{_PROJECT}/run/{{run_id}}/logs")
    async def logs(  # noqa: PLR0913
        request: Request,
        workspace_id: str,
        project_name: str,
        run_id: str,
        after: Annotated[int, Query(ge=0, le=_LARGEST_ID)] = 0,
        limit: Annotated[int, Query(ge=1, le=10_000)] = _LOG_PAGE,
    ) -> Response:
        caller = await identify(request, workspace_id, Scope.READ)
        run = await _find(caller, project_name, run_id)
        lines = await runs.logs(caller.platform, run.id, after=after, limit=limit)
        text = "".join(json.dumps(wire.log_line(line)) + "\n" for line in lines)
        return Response(text, media_type="application/x-ndjson")

    @routes.get(f"{_PROJECT}/run/{{run_id}}/files/{{file_id}}")
    async def file(
        request: Request, workspace_id: str, project_name: str, run_id: str, file_id: FileId
    ) -> Response:
        caller = await identify(request, workspace_id, Scope.READ)
        project = await caller.project(project_name)
        known_id = min(max(file_id, 0), _LARGEST_ID)
        found = await runs.file(caller.platform, project.id, run_id, known_id)
        plain = "".join(
            char if char.isascii() and char.isprintable() and char not in '"\\' else "_"
            for char in found.name
        )
        return StreamingResponse(
            runs.open_file(caller.platform, found),
            media_type="application/octet-stream",
            headers={
                "content-disposition": f'attachment; filename="{plain}"',
                "content-length": str(found.size_bytes),
                "x-content-type-options": "nosniff",
            },
        )

    @routes.get(f"{_PROJECT}/run/{{run_id}}/events")
    async def events(  # noqa: PLR0913
        request: Request,
        workspace_id: str,
        project_name: str,
        run_id: str,
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> Response:
        caller = await identify(request, workspace_id, Scope.READ)
        run = await _find(caller, project_name, run_id)
        after = int(last_event_id) if last_event_id and last_event_id.isdecimal() else 0
        stream = _events(caller, run, min(after, _LARGEST_ID))
        return StreamingResponse(
            stream, media_type="text/event-stream", headers={"cache-control": "no-store"}
        )

    return routes


async def read_json(request: Request) -> Any:
    """Return the JSON of a request's body.

    Raises:
        UnsupportedMediaType, TooLarge, ValidationError: it is none, too long, or malformed.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != _JSON and not kind.endswith("+json"):
        raise UnsupportedMediaType
    limit = request.app.state.platform.settings.max_body_bytes
    return wire.read_json(await errors.read_body(request, limit))


async def _find(caller: Caller, project_name: str, run_id: str) -> Run:
    project = await caller.project(project_name)
    return await runs.get(caller.platform, project.id, run_id)


async def _events(caller: Caller, run: Run, after: int) -> AsyncIterator[str]:
    async for event in runs.events(caller.platform, run.project_id, run.id, after=after):
        if isinstance(event, Run):
            yield f"event: status\ndata: {json.dumps(wire.run_line(event))}\n\n"
        else:
            yield f"id: {event.id}\nevent: log\ndata: {json.dumps(wire.log_line(event))}\n\n"


def _checked_key(key: str | None) -> str | None:
    if key is None:
        return None
    if not (1 <= len(key) <= _MAX_KEY_LENGTH and key.isascii() and key.isprintable()):
        message = f"must be 1 to {_MAX_KEY_LENGTH} printable ASCII characters"
        raise ValidationError([Problem(path="Idempotency-Key", message=message)])
    return key


def _json(text: str, status: int = 200) -> Response:
    return Response(text, status, media_type=_JSON)


def _base(request: Request, workspace_id: str, project_name: str) -> str:
    mount = request.url.path.split(f"/{workspace_id}/", 1)[0]
    return f"{mount}/{workspace_id}/projects/{project_name}"
