"""Routes of JobRuns, and the signed link to their results."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from runwright.control.base.platform import Platform
from runwright.control.jobs import job_runs, jobs
from runwright.control.runs import author_calls
from runwright.control.runs.author_calls import READ
from runwright.web.api.runs import PROJECT
from runwright.web.server import bodies
from runwright.web.server.callers import Reader, Starter
from runwright.web.wire import deliveries as delivery_wire, jobs as wire

_LINK_LIFE = timedelta(hours=1)
_LARGEST_TIME = 2**40

routes = APIRouter()
links = APIRouter(tags=["links"])


@routes.get(f"{PROJECT}/jobs/{{job_id}}/runs", response_model=wire.JobRunsAnswer)
async def list_job_runs(
    caller: Reader, project_name: str, job_id: str, query: Annotated[wire.RunsQuery, Query()]
) -> Response:
    """List a page of a Job's JobRuns, newest first by default."""
    size, number, order = wire.page(query)
    project = await caller.project(project_name)
    job = await jobs.get(caller.platform, project.id, job_id)
    found, total = await job_runs.list_page(
        caller.platform, job, order=order, size=size, number=number
    )
    body: wire.JobRunsAnswer = {
        "jobRuns": [wire.job_run(each) for each in found],
        "totalCount": total,
    }
    return bodies.answer(body)


@routes.get(f"{PROJECT}/jobs/{{job_id}}/runs/{{job_run_id}}", response_model=wire.JobRunAnswer)
async def show(
    request: Request, caller: Reader, project_name: str, job_id: str, job_run_id: str
) -> Response:
    """Get a JobRun, with a link to its results."""
    project = await caller.project(project_name)
    found = await job_runs.get(caller.platform, project.id, job_id, job_run_id)
    expires = datetime.now(UTC) + _LINK_LIFE
    link = author_calls.link(caller.platform, READ, _subject(found.id), expires)
    body: wire.JobRunAnswer = {
        "jobRun": wire.job_run(found),
        "results": wire.results(str(request.base_url).rstrip("/") + link, expires),
    }
    return bodies.answer(body)


@routes.post(
    f"{PROJECT}/jobs/{{job_id}}/runs/{{job_run_id}}/terminate", response_model=wire.MessageAnswer
)
async def terminate(caller: Starter, project_name: str, job_id: str, job_run_id: str) -> Response:
    """End a JobRun immediately; one that has ended stays as it is."""
    project = await caller.project(project_name)
    found = await job_runs.terminate(caller.platform, project.id, job_id, job_run_id)
    body: wire.MessageAnswer = {"message": f"The job run is {found.status.value}"}
    return bodies.answer(body)


@routes.post(
    f"{PROJECT}/jobs/{{job_id}}/runs/{{job_run_id}}/redeliver",
    response_model=wire.RedeliveredAnswer,
    openapi_extra=bodies.documented(
        bodies.JSON, delivery_wire.RedeliverBody.model_json_schema(by_alias=True)
    ),
)
async def redeliver(
    request: Request, caller: Starter, project_name: str, job_id: str, job_run_id: str
) -> Response:
    """Send all Deliveries of a JobRun whose tries all failed again, to another address if given."""
    url = delivery_wire.parse_redeliver(await bodies.read_json(request))
    project = await caller.project(project_name)
    count = await job_runs.redeliver(caller.platform, project.id, job_id, job_run_id, url)
    body: wire.RedeliveredAnswer = {"redelivered": count}
    return bodies.answer(body)


@links.get(
    "/files/job-runs/{job_run_id}/results.jsonl",
    response_class=Response,
    responses={200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}},
)
async def results(
    request: Request,
    job_run_id: str,
    expires: Annotated[int, Query(ge=0, le=_LARGEST_TIME)],
    signature: str,
    purpose: str = "",
) -> Response:
    """Download the outcomes of a JobRun's items by signed link, one JSON object per line."""
    platform: Platform = request.app.state.platform
    author_calls.check_link(platform, purpose, READ, _subject(job_run_id), expires, signature)
    return StreamingResponse(
        job_runs.results(platform, job_run_id),
        media_type="application/x-ndjson",
        headers={
            "content-disposition": f'attachment; filename="{job_run_id}.jsonl"',
            "x-content-type-options": "nosniff",
        },
    )


def _subject(job_run_id: str) -> str:
    return f"job-runs/{job_run_id}/results.jsonl"
