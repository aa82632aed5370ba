"""Routes of drift: results that deviate from the usual; all are Runwright's own."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from runwright.control.insight import drift
from runwright.web.api.runs import PROJECT
from runwright.web.server import bodies
from runwright.web.server.callers import Caller, Reader, Starter
from runwright.web.wire import drift as wire

routes = APIRouter()


@routes.get(f"{PROJECT}/drift", response_model=wire.ProfilesAnswer)
async def list_profiles(caller: Reader, project_name: str) -> Response:
    """Get the state of each Api's results, and the Run last marked as drifted."""
    return await _profiles(caller, project_name)


@routes.put(
    f"{PROJECT}/drift",
    response_model=wire.ProfilesAnswer,
    openapi_extra=bodies.documented(bodies.JSON, wire.WatchBody.model_json_schema(by_alias=True)),
)
async def watch(request: Request, caller: Starter, project_name: str) -> Response:
    """Turn watching an Api's results on or off."""
    api, is_watched = wire.parse_watch(await bodies.read_json(request))
    project = await caller.project(project_name)
    await drift.watch(caller.platform, project, api, is_watched=is_watched)
    return await _profiles(caller, project_name)


@routes.post(
    f"{PROJECT}/drift/accept",
    response_model=wire.ProfilesAnswer,
    openapi_extra=bodies.documented(bodies.JSON, wire.AcceptBody.model_json_schema(by_alias=True)),
)
async def accept(request: Request, caller: Starter, project_name: str) -> Response:
    """Accept the recent results of an Api as the usual ones."""
    api = wire.parse_accept(await bodies.read_json(request))
    await drift.accept(caller.platform, await caller.project(project_name), api)
    return await _profiles(caller, project_name)


async def _profiles(caller: Caller, project_name: str) -> Response:
    project = await caller.project(project_name)
    found = await drift.list_all(caller.platform, project.id)
    return bodies.answer(wire.profiles(found))
