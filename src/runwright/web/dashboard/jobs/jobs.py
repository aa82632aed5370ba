"""Jobs: the list, the form (or raw JSON) with a preview of the next firings, and actions on a Job."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response

from runwright.control.auth_sessions import auth_sessions
from runwright.control.insight import overview
from runwright.control.jobs import job_runs, jobs
from runwright.domain.jobs.jobs import Job, JobSource
from runwright.domain.projects import Project
from runwright.errors import Problem, RequestError, ValidationError
from runwright.web.dashboard.drawing import firings
from runwright.web.dashboard.jobs import job_schema
from runwright.web.dashboard.kit import pages, stream
from runwright.web.dashboard.kit.forms import Sent
from runwright.web.dashboard.kit.identity import Operator, Reader, User
from runwright.web.dashboard.kit.registration import Link, Page
from runwright.web.dashboard.kit.route import Route
from runwright.web.server import bodies
from runwright.web.wire import common, jobs as wire, schedules as schedule_wire

routes = APIRouter(route_class=Route)
PAGE = Page(routes=routes, tab=Link(label="Jobs", path="jobs"))

_BODY_FIELDS = (
    "configuration",
    "payload",
    "schedule",
    "sink",
    "auth_session",
    "notifications",
    "proxy",
)
_JOB_RUNS = 20
_NEW: dict[str, Any] = {"id": "", "payload": [], "configuration": {}}


@routes.get("/projects/{name}/jobs")
async def show_all(user: Reader, name: str) -> Response:
    """List the Jobs of a project."""
    values = await _list(user, name)
    return pages.for_user(user, "jobs.html", active="projects", tab="jobs", **values)


@routes.get("/projects/{name}/jobs/events")
async def follow_all(user: Reader, name: str) -> Response:
    """Stream updates of the list."""
    await user.project(name)

    async def render() -> Mapping[str, str]:
        values = await _list(user, name)
        text = pages.text(user.request, "parts/job_rows.html", user=user, **values)
        return {"job-rows": text}

    return stream.parts(user, render, topics=["schedules"])


@routes.get("/projects/{name}/new-job")
async def ask_new(user: Operator, name: str) -> Response:
    """Show an empty Job form."""
    project = await user.project(name)
    manifest = project.manifest
    first: list[dict[str, Any]] = []
    if manifest is not None:
        first.append({"apiName": manifest.apis[0].name, "parameters": dict[str, Any]()})
    body = {**_NEW, "payload": first}
    return await _form(user, project, json.dumps(body, indent=2), None)


@routes.post("/projects/{name}/new-job")
async def create(user: Operator, name: str, form: Sent) -> Response:
    """Create a Job, or show the form again with its errors."""
    project = await user.project(name)
    try:
        job_id, plan = wire.parse_create(_json(form.raw("body")))
        await jobs.create(user.platform, project, job_id, plan)
    except RequestError as error:
        return await _form(user, project, form.raw("body"), None, error)
    return pages.redirect(user.request, f"/projects/{project.name}/jobs/{job_id}", notice="saved")


@routes.post("/projects/{name}/firings")
async def preview(request: Request, user: Reader, name: str) -> Response:
    """Preview the next firings of the Schedule being edited."""
    project = await user.project(name)
    schedule = schedule_wire.parse_schedule(await bodies.read_json(request))
    text = pages.text(
        request,
        "parts/firings.html",
        user=user,
        project=project,
        picture=firings.draw(schedule),
    )
    return bodies.answer({"html": text})


@routes.get("/projects/{name}/jobs/{job_id}")
async def show(user: Reader, name: str, job_id: str) -> Response:
    """Show a Job and its JobRuns."""
    values = await _one(user, name, job_id)
    return pages.for_user(user, "job.html", active="projects", tab="jobs", **values)


@routes.get("/projects/{name}/jobs/{job_id}/events")
async def follow(user: Reader, name: str, job_id: str) -> Response:
    """Stream updates of a Job."""
    await _one(user, name, job_id)

    async def render() -> Mapping[str, str]:
        values = await _one(user, name, job_id)
        return {
            f"job-{part}": pages.text(user.request, f"parts/job_{part}.html", user=user, **values)
            for part in ("head", "runs")
        }

    return stream.parts(user, render, topics=["schedules", "run:*"])


@routes.get("/projects/{name}/jobs/{job_id}/edit")
async def ask_edit(user: Operator, name: str, job_id: str) -> Response:
    """Show the form of an existing Job, with its secrets masked."""
    project = await user.project(name)
    job = await jobs.get(user.platform, project.id, job_id)
    return await _form(user, project, json.dumps(_body(job), indent=2, ensure_ascii=False), job)


@routes.post("/projects/{name}/jobs/{job_id}/edit")
async def update(user: Operator, name: str, job_id: str, form: Sent) -> Response:
    """Update a Job, or show the form again with its errors."""
    project = await user.project(name)
    job = await jobs.get(user.platform, project.id, job_id)
    try:
        plan = wire.parse_update(_json(form.raw("body")), job)
        await jobs.update(user.platform, project, job.id, plan)
    except RequestError as error:
        return await _form(user, project, form.raw("body"), job, error)
    return pages.redirect(user.request, f"/projects/{project.name}/jobs/{job.id}", notice="saved")


@routes.post("/projects/{name}/jobs/{job_id}/act")
async def act(user: Operator, name: str, job_id: str, form: Sent) -> Response:
    """Trigger, pause, resume or delete a Job."""
    project = await user.project(name)
    platform, place = user.platform, f"/projects/{project.name}/jobs"
    match form.text("action"):
        case "trigger":
            begun = await jobs.trigger(
                platform, project, job_id, idempotency_key=None, request_text=""
            )
            return pages.redirect(
                user.request, f"{place}/{job_id}/runs/{begun.job_run.id}", notice="triggered"
            )
        case "pause":
            await jobs.pause(platform, project.id, job_id)
            return pages.redirect(user.request, f"{place}/{job_id}", notice="paused")
        case "resume":
            await jobs.resume(platform, project.id, job_id)
            return pages.redirect(user.request, f"{place}/{job_id}", notice="resumed")
        case "delete":
            await jobs.delete(platform, project.id, job_id)
            return pages.redirect(user.request, place, notice="deleted")
        case _:
            raise ValidationError(
                [Problem(path="action", message="must be `trigger`, `pause`, `resume` or `delete`")]
            )


async def _list(user: User, name: str) -> dict[str, Any]:
    project = await user.project(name)
    return {
        "project": project,
        "jobs": await jobs.list_all(user.platform, project.id),
        "last": await overview.last_job_runs(user.platform, project.id),
    }


async def _one(user: User, name: str, job_id: str) -> dict[str, Any]:
    project = await user.project(name)
    job = await jobs.get(user.platform, project.id, job_id)
    number = user.request.query_params.get("page", "0")
    page = int(number) if number.isdecimal() and len(number) < 7 else 0  # noqa: PLR2004 - pages there can be
    found, total = await job_runs.list_page(
        user.platform, job, order=[], size=_JOB_RUNS, number=page
    )
    schedule = job.plan.schedule
    return {
        "project": project,
        "job": job,
        "body": _body(job),
        "job_runs": found,
        "total": total,
        "page": page,
        "pages": (total + _JOB_RUNS - 1) // _JOB_RUNS,
        "picture": None if schedule is None or job.firing is None else firings.draw(schedule),
    }


async def _form(
    user: User,
    project: Project,
    text: str,
    job: Job | None,
    error: RequestError | None = None,
) -> Response:
    manifest = project.manifest
    sessions = await auth_sessions.list_all(user.platform, project.id)
    apis = [] if manifest is None else [api.name for api in manifest.apis]
    problems = error.problems if isinstance(error, ValidationError) else []
    answer = pages.for_user(
        user,
        "job_form.html",
        active="projects",
        tab="jobs",
        project=project,
        job=job,
        text=text,
        schema=job_schema.make(apis, [each.id for each in sessions], is_new=job is None),
        error=error,
        problems=[{"path": each.path, "message": each.message} for each in problems],
        is_code=job is not None and job.source is JobSource.CODE,
    )
    answer.status_code = 200 if error is None else error.status
    return answer


def _body(job: Job) -> dict[str, Any]:
    whole: dict[str, Any] = dict(wire.job(job))
    return {name: whole[name] for name in _BODY_FIELDS if name in whole}


def _json(text: str) -> Any:
    try:
        return common.read_json(text.encode("utf-8", "replace"))
    except ValidationError as error:
        raise ValidationError([Problem(path="body", message=error.problems[0].message)]) from error
