"""A Run: timeline, parameters, result or failure, log, files, live updates, and actions."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response

from runwright.adapters import signals
from runwright.control.projects import projects
from runwright.control.runs import rerun, runs
from runwright.domain.ids import LARGEST_ROW_ID
from runwright.domain.projects import Project
from runwright.errors import NotFound
from runwright.web.dashboard.drawing import timeline
from runwright.web.dashboard.kit import pages, stream
from runwright.web.dashboard.kit.identity import Operator, Reader, User
from runwright.web.dashboard.kit.registration import Page
from runwright.web.dashboard.kit.route import Route
from runwright.web.wire import runs as wire

routes = APIRouter(route_class=Route)
PAGE = Page(routes=routes)

_PARTS = ("head", "live-view", "timeline", "outcome", "models", "files")
_LOG_LINES = 500
_LOOK_SECONDS = 2.0
_LINGER_LOOKS = 15
"""An ended Run is polled this many times more: traces and Deliveries come later."""

Flag = Annotated[bool, Query()]
After = Annotated[int, Query(ge=0, le=LARGEST_ROW_ID)]


@routes.get("/runs/{run_id}")
async def anywhere(user: Reader, run_id: str) -> Response:
    """Redirect to a Run whose project is unknown."""
    found = await runs.detail(user.platform, user.workspace_id, run_id)
    name = await projects.name_of(user.platform, found.run.project_id)
    return pages.redirect(user.request, f"/projects/{name}/runs/{found.run.id}")


@routes.get("/projects/{name}/runs/{run_id}")
async def run(user: Reader, name: str, run_id: str) -> Response:
    """Show a Run."""
    project = await user.project(name)
    values = await _values(user, project, run_id)
    return pages.for_user(user, "run.html", active="projects", tab="runs", **values)


@routes.get("/projects/{name}/runs/{run_id}/events")
async def events(
    user: Reader,
    name: str,
    run_id: str,
    after: After = 0,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """Stream updates of a Run, and its log after the last line seen."""
    project = await user.project(name)
    await runs.detail(user.platform, user.workspace_id, run_id, project_id=project.id)
    if last_event_id and last_event_id.isdecimal():
        after = min(int(last_event_id), LARGEST_ROW_ID)
    return stream.respond(stream.guarded(_events(user, project, run_id, after)))


@routes.get("/projects/{name}/runs/{run_id}/log")
async def log(
    user: Reader,
    name: str,
    run_id: str,
    after: After = 0,
    download: Flag = False,  # noqa: FBT002
) -> Response:
    """Serve the log after a line, as JSON lines."""
    project = await user.project(name)
    run = await runs.get(user.platform, project.id, run_id)
    limit = 1_000_000 if download else 10 * _LOG_LINES
    lines = await runs.logs(user.platform, run.id, after=after, limit=limit)
    text = "".join(json.dumps(wire.log_line(line)) + "\n" for line in lines)
    return _kept(text, f"{run.id}.log.jsonl", "application/x-ndjson", is_kept=download)


@routes.get("/projects/{name}/runs/{run_id}/result")
async def result(user: Reader, name: str, run_id: str, download: Flag = False) -> Response:  # noqa: FBT002
    """Serve the result."""
    project = await user.project(name)
    found = await runs.get(user.platform, project.id, run_id)
    if found.result is None:
        raise NotFound(f"Run `{run_id[:64]}` has no result.")
    return _kept(found.result, f"{found.id}.result.json", is_kept=download)


@routes.get("/projects/{name}/runs/{run_id}/parameters")
async def parameters(user: Reader, name: str, run_id: str, download: Flag = False) -> Response:  # noqa: FBT002
    """Serve the parameters."""
    project = await user.project(name)
    found = await runs.detail(user.platform, user.workspace_id, run_id, project_id=project.id)
    text = json.dumps(found.plan.parameters)
    return _kept(text, f"{found.run.id}.parameters.json", is_kept=download)


@routes.post("/projects/{name}/runs/{run_id}/cancel")
async def cancel(user: Operator, name: str, run_id: str) -> Response:
    """Cancel a Run; a started one ends once its Worker stops it."""
    project = await user.project(name)
    found = await runs.cancel(user.platform, project.id, run_id)
    notice = "canceled" if found.status.is_terminal else "canceling"
    return pages.redirect(user.request, f"/projects/{name}/runs/{found.id}", notice=notice)


@routes.post("/projects/{name}/runs/{run_id}/again")
async def again(user: Operator, name: str, run_id: str) -> Response:
    """Start a new Run with the same request."""
    project = await user.project(name)
    found = await rerun.start(user.platform, project, run_id)
    return pages.redirect(user.request, f"/projects/{name}/runs/{found.id}", notice="again")


async def _values(user: User, project: Project, run_id: str) -> dict[str, Any]:
    found = await runs.detail(user.platform, user.workspace_id, run_id, project_id=project.id)
    traces = {file.attempt: file for file in found.files if file.kind == "trace"}
    return {
        "project": project,
        "detail": found,
        "run": found.run,
        "spans": timeline.draw(found),
        "traces": traces,
        "files": [file for file in found.files if file.kind != "trace"],
        "has_har": any(file.kind == "har" for file in found.files),
        "is_followed": not found.run.status.is_terminal,
        "parameters": found.plan.parameters,
    }


async def _events(user: User, project: Project, run_id: str, after: int) -> AsyncIterator[str]:
    changes = stream.Changes()
    looks_left = _LINGER_LOOKS
    yield stream.RETRY
    with contextlib.ExitStack() as stack:
        signals_of = user.platform.signals
        signalled = stack.enter_context(signals_of.subscribe(f"run:{run_id}"))
        while looks_left and await user.is_signed_in():
            values = await _values(user, project, run_id)
            for each in changes.of(_parts(user, values)):
                yield each
            lines = await runs.logs(user.platform, values["run"].id, after=after, limit=_LOG_LINES)
            if lines:
                after = lines[-1].id
                yield f"id: {after}\n" + stream.event(
                    "log", [wire.log_line(line) for line in lines]
                )
            if len(lines) == _LOG_LINES:
                continue
            if not values["is_followed"]:
                looks_left -= 1
            await signals.wait(signalled, _LOOK_SECONDS)
    yield stream.LEFT if looks_left else stream.DONE


def _parts(user: User, values: dict[str, Any]) -> dict[str, str]:
    return {
        f"run-{part}": pages.text(user.request, f"parts/run_{part}.html", user=user, **values)
        for part in _PARTS
    }


def _kept(text: str, name: str, media_type: str = "application/json", *, is_kept: bool) -> Response:
    headers = {"content-disposition": f'attachment; filename="{name}"'} if is_kept else {}
    return Response(text, media_type=media_type, headers=headers)
