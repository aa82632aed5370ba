"""Routes of Schedules."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response

from runwright.domain.jobs import schedules
from runwright.web.api.runs import PROJECT
from runwright.web.server import bodies
from runwright.web.server.callers import Reader
from runwright.web.wire import schedules as wire

routes = APIRouter()


@routes.post(
    f"{PROJECT}/schedules/preview",
    response_model=wire.UpcomingAnswer,
    openapi_extra=bodies.documented(bodies.JSON, wire.PreviewBody.model_json_schema()),
)
async def preview(request: Request, caller: Reader, project_name: str) -> Response:
    """List when a Schedule would fire next, without saving it; jitter is ignored."""
    await caller.project(project_name)
    schedule, count = wire.parse_preview(await bodies.read_json(request))
    return bodies.answer(wire.upcoming(schedules.upcoming(schedule, datetime.now(UTC), count)))
