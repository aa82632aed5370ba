"""A JobRun: progress, rate, expected end, items by state, results and Deliveries."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from runwright.control.insight import overview
from runwright.control.jobs import job_runs
from runwright.web.dashboard.kit import pages, stream
from runwright.web.dashboard.kit.forms import Sent
from runwright.web.dashboard.kit.identity import Operator, Reader, User
from runwright.web.dashboard.kit.registration import Page
from runwright.web.dashboard.kit.route import Route

routes = APIRouter(route_class=Route)
PAGE = Page(routes=routes)

_ITEMS = 30


@routes.get("/projects/{name}/jobs/{job_id}/runs/{job_run_id}")
async def show(user: Reader, name: str, job_id: str, job_run_id: str) -> Response:
    """Show a JobRun."""
    values = await _values(user, name, job_id, job_run_id)
    return pages.for_user(user, "job_run.html", active="projects", tab="jobs", **values)


@routes.get("/projects/{name}/jobs/{job_id}/runs/{job_run_id}/events")
async def follow(user: Reader, name: str, job_id: str, job_run_id: str) -> Response:
    """Stream updates of a JobRun."""
    await _values(user, name, job_id, job_run_id)

    async def render() -> Mapping[str, str]:
        values = await _values(user, name, job_id, job_run_id)
        text = pages.text(user.request, "parts/job_run.html", user=user, **values)
        return {"job-run": text}

    return stream.parts(user, render, topics=["run:*"])


@routes.get("/projects/{name}/jobs/{job_id}/runs/{job_run_id}/results")
async def results(user: Reader, name: str, job_id: str, job_run_id: str) -> Response:
    """Download the outcomes of its items as JSON lines."""
    project = await user.project(name)
    found = await job_runs.get(user.platform, project.id, job_id, job_run_id)
    return StreamingResponse(
        job_runs.results(user.platform, found.id),
        media_type="application/x-ndjson",
        headers={"content-disposition": f'attachment; filename="{found.id}.jsonl"'},
    )


@routes.post("/projects/{name}/jobs/{job_id}/runs/{job_run_id}/terminate")
async def terminate(user: Operator, name: str, job_id: str, job_run_id: str) -> Response:
    """Terminate a JobRun."""
    project = await user.project(name)
    await job_runs.terminate(user.platform, project.id, job_id, job_run_id)
    place = f"/projects/{project.name}/jobs/{job_id}/runs/{job_run_id}"
    return pages.redirect(user.request, place, notice="terminated")


@routes.post("/projects/{name}/jobs/{job_id}/runs/{job_run_id}/redeliver")
async def redeliver(
    user: Operator, name: str, job_id: str, job_run_id: str, form: Sent
) -> Response:
    """Resend the Deliveries that ran out of tries."""
    project = await user.project(name)
    await job_runs.redeliver(
        user.platform, project.id, job_id, job_run_id, form.text("url") or None
    )
    place = f"/projects/{project.name}/jobs/{job_id}/runs/{job_run_id}"
    return pages.redirect(user.request, place, notice="sent")


async def _values(user: User, name: str, job_id: str, job_run_id: str) -> dict[str, Any]:
    project = await user.project(name)
    found = await job_runs.get(user.platform, project.id, job_id, job_run_id)
    progress = await overview.progress(user.platform, found.id)
    now = datetime.now(UTC)
    left = progress.waiting + progress.started
    rate = progress.rate(now)
    return {
        "project": project,
        "job_run": found,
        "progress": progress,
        "rate": rate,
        "expected_at": now + timedelta(minutes=left / rate)
        if rate and left and found.status.is_active
        else None,
        "items": await overview.items(user.platform, found.id, limit=_ITEMS),
        "deliveries": await overview.delivery_counts(user.platform, found.id),
    }
