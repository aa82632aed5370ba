"""Routes of Jobs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response

from runwright.control.jobs import jobs
from runwright.domain.jobs import schedules
from runwright.domain.jobs.jobs import JobRunStatus
from runwright.web.api.runs import PROJECT, checked_key
from runwright.web.server import bodies
from runwright.web.server.callers import Reader, Starter
from runwright.web.wire import jobs as wire, schedules as schedule_wire

routes = APIRouter()


@routes.get(f"{PROJECT}/jobs", response_model=list[wire.JobLine])
async def list_jobs(caller: Reader, project_name: str) -> Response:
    """List the Jobs of a project, sorted by id."""
    project = await caller.project(project_name)
    found = await jobs.list_all(caller.platform, project.id)
    return bodies.answer([wire.job_line(each) for each in found])


@routes.post(
    f"{PROJECT}/jobs",
    status_code=201,
    response_model=wire.CreatedAnswer,
    openapi_extra=bodies.documented(bodies.JSON, wire.CreateBody.model_json_schema(by_alias=True)),
)
async def create(request: Request, caller: Starter, project_name: str) -> Response:
    """Create a Job; its Schedule starts now."""
    job_id, plan = wire.parse_create(await bodies.read_json(request))
    project = await caller.project(project_name)
    await jobs.create(caller.platform, project, job_id, plan)
    body: wire.CreatedAnswer = {"id": job_id, "message": "created"}
    return bodies.answer(body, 201)


@routes.get(f"{PROJECT}/jobs/{{job_id}}", response_model=wire.JobAnswer)
async def show(caller: Reader, project_name: str, job_id: str) -> Response:
    """Get a Job's plan, and when it fires next."""
    project = await caller.project(project_name)
    return bodies.answer(wire.job(await jobs.get(caller.platform, project.id, job_id)))


@routes.put(
    f"{PROJECT}/jobs/{{job_id}}",
    response_model=wire.CreatedAnswer,
    openapi_extra=bodies.documented(bodies.JSON, wire.JobBody.model_json_schema(by_alias=True)),
)
async def update(request: Request, caller: Starter, project_name: str, job_id: str) -> Response:
    """Replace a Job's plan; a JobRun in progress keeps its own."""
    value = await bodies.read_json(request)
    project = await caller.project(project_name)
    known = await jobs.get(caller.platform, project.id, job_id)
    await jobs.update(caller.platform, project, job_id, wire.parse_update(value, known))
    body: wire.CreatedAnswer = {"id": job_id, "message": "updated job successfully"}
    return bodies.answer(body)


@routes.delete(f"{PROJECT}/jobs/{{job_id}}", status_code=204)
async def delete(caller: Starter, project_name: str, job_id: str) -> Response:
    """Delete a Job; its active JobRun is terminated."""
    project = await caller.project(project_name)
    await jobs.delete(caller.platform, project.id, job_id)
    return Response(status_code=204)


@routes.post(f"{PROJECT}/jobs/{{job_id}}/pause", response_model=wire.MessageAnswer)
async def pause(caller: Starter, project_name: str, job_id: str) -> Response:
    """Pause a Job's Schedule, and start no more items of its active JobRun."""
    project = await caller.project(project_name)
    await jobs.pause(caller.platform, project.id, job_id)
    return bodies.answer({"message": "Paused"})


@routes.post(f"{PROJECT}/jobs/{{job_id}}/resume", response_model=wire.MessageAnswer)
async def resume(caller: Starter, project_name: str, job_id: str) -> Response:
    """Resume a Job's Schedule and its paused JobRun."""
    project = await caller.project(project_name)
    await jobs.resume(caller.platform, project.id, job_id)
    return bodies.answer({"message": "Resumed"})


@routes.post(f"{PROJECT}/jobs/{{job_id}}/trigger", response_model=wire.TriggeredAnswer)
async def trigger(
    request: Request,
    caller: Starter,
    project_name: str,
    job_id: str,
    idempotency_key: Annotated[str | None, Header()] = None,
) -> Response:
    """Start a JobRun now."""
    text = await bodies.read_text(request)
    begun = await jobs.trigger(
        caller.platform,
        await caller.project(project_name),
        job_id,
        idempotency_key=checked_key(idempotency_key),
        request_text=json.dumps([job_id, text]),
    )
    is_canceled = begun.job_run.status is JobRunStatus.CANCELED
    message = f"Canceled: {begun.job_run.message}" if is_canceled else "Triggered"
    body: wire.TriggeredAnswer = {"jobRunId": begun.job_run.id, "message": message}
    return bodies.answer(body)


@routes.get(f"{PROJECT}/jobs/{{job_id}}/upcoming", response_model=schedule_wire.UpcomingAnswer)
async def upcoming(
    caller: Reader, project_name: str, job_id: str, query: Annotated[wire.UpcomingQuery, Query()]
) -> Response:
    """List when a Job fires next; jitter is ignored, and a paused Job does not fire."""
    project = await caller.project(project_name)
    found = await jobs.get(caller.platform, project.id, job_id)
    if found.plan.schedule is None or found.firing is None:
        return bodies.answer(schedule_wire.upcoming([]))
    moments = schedules.upcoming(found.plan.schedule, datetime.now(UTC), query.count)
    return bodies.answer(schedule_wire.upcoming(moments))
