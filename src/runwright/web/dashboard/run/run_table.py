"""The table of a project's Runs: filters in the URL, live rows, and bulk actions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request, Response

from runwright.control.insight import overview
from runwright.control.runs import rerun, runs
from runwright.domain.projects import Project
from runwright.domain.runs import RunFilter, RunStatus
from runwright.errors import Problem, RequestError, ValidationError
from runwright.web.dashboard.kit import pages, stream
from runwright.web.dashboard.kit.forms import Sent
from runwright.web.dashboard.kit.identity import Operator, Reader, User
from runwright.web.dashboard.kit.registration import Link, Page
from runwright.web.dashboard.kit.route import Route
from runwright.web.wire import common, run_requests

routes = APIRouter(route_class=Route)
PAGE = Page(routes=routes, tab=Link(label="Runs", path="runs", key="r"))

_PAGE = 50
_MAX_AT_ONCE = 200
_SINCE = {
    "1h": timedelta(hours=1),
    "24h": timedelta(days=1),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Filters:
    """The filters of the URL, as the form shows them."""

    api: str
    status: str
    since: str
    until: str
    attribute: str
    text: str
    job: str
    job_run: str
    drifted: str
    cursor: str

    @property
    def is_filtered(self) -> bool:
        """True if any filter is set."""
        return bool(self.query())

    def query(self) -> dict[str, str]:
        """The filters as query parameters."""
        names = (
            "api",
            "status",
            "since",
            "until",
            "attribute",
            "text",
            "job",
            "job_run",
            "drifted",
        )
        return {name: getattr(self, name) for name in names if getattr(self, name)}


@routes.get("/projects/{name}/runs")
async def table(user: Reader, name: str) -> Response:
    """List the Runs of a project."""
    project = await user.project(name)
    values = await _values(user, project)
    return pages.for_user(user, "runs.html", active="projects", tab="runs", **values)


@routes.get("/projects/{name}/runs/events")
async def events(user: Reader, name: str) -> Response:
    """Stream updates of the table."""
    project = await user.project(name)

    async def render() -> Mapping[str, str]:
        values = await _values(user, project)
        text = pages.text(user.request, "parts/run_rows.html", user=user, **values)
        return {"run-rows": text}

    return stream.parts(user, render, topics=["run:*"])


@routes.post("/projects/{name}/runs")
async def act(user: Operator, name: str, form: Sent) -> Response:
    """Cancel or rerun the selected Runs."""
    project = await user.project(name)
    chosen = form.all("run")[:_MAX_AT_ONCE]
    if not chosen:
        raise ValidationError([Problem(path="run", message="is missing: select at least one run")])
    is_cancel = form.text("action") == "cancel"
    notice = "canceled" if is_cancel else "again"
    refused: list[str] = []
    for run_id in chosen:
        try:
            if is_cancel:
                found = await runs.cancel(user.platform, project.id, run_id)
                if not found.status.is_terminal:
                    notice = "canceling"
            else:
                await rerun.start(user.platform, project, run_id)
        except RequestError as error:
            refused.append(error.message)
    if len(refused) == len(chosen):
        raise ValidationError([Problem(path="run", message=refused[0])], refused[0])
    query = {each: value for each, value in form.fields.items() if each.startswith("filter.")}
    kept = {each.removeprefix("filter."): value[0] for each, value in query.items() if value[0]}
    return pages.redirect(
        user.request,
        f"/projects/{project.name}/runs",
        **kept,
        notice=notice,
    )


async def _values(user: User, project: Project) -> dict[str, Any]:
    filters = _filters(user.request)
    found, following = await overview.lines(
        user.platform,
        project.id,
        _run_filter(filters),
        text=filters.text or None,
        cursor=filters.cursor or None,
        limit=_PAGE,
    )
    manifest = project.manifest
    return {
        "project": project,
        "filters": filters,
        "runs": found,
        "following": following,
        "queue": await overview.queue(user.platform, user.workspace_id, project.id),
        "apis": [] if manifest is None else [api.name for api in manifest.apis],
        "statuses": [status.value for status in RunStatus],
        "spans": list(_SINCE),
    }


def _filters(request: Request) -> Filters:
    found = request.query_params
    return Filters(
        api=found.get("api", ""),
        status=found.get("status", "") if found.get("status") in set(RunStatus) else "",
        since=found.get("since", ""),
        until=found.get("until", ""),
        attribute=found.get("attribute", ""),
        text=found.get("text", "").strip(),
        job=found.get("job", ""),
        job_run=found.get("job_run", ""),
        drifted="yes" if found.get("drifted") else "",
        cursor=found.get("cursor", ""),
    )


def _run_filter(filters: Filters) -> RunFilter:
    is_pair = ":" in filters.attribute.strip(":")
    query = run_requests.ListQuery(
        api=filters.api or None,
        status=RunStatus(filters.status) if filters.status else None,
        attribute=filters.attribute if is_pair else None,
        since=_time("since", filters.since),
        until=_time("until", filters.until),
    )
    chosen = run_requests.run_filter(query)
    return replace(
        chosen,
        job_id=filters.job or None,
        job_run_id=filters.job_run or None,
        is_drifted=bool(filters.drifted),
    )


def _time(name: str, text: str) -> datetime | None:
    """Parse the time of a filter: an age such as `24h`, or a date and time (UTC by default)."""
    if not text:
        return None
    if text in _SINCE:
        return datetime.now(UTC) - _SINCE[text]
    try:
        found = datetime.fromisoformat(text)
        return common.in_utc(found if found.tzinfo is not None else found.replace(tzinfo=UTC))
    except ValueError as error:
        message = "must be a time such as `2026-01-31T12:00`, or `24h`"
        raise ValidationError([Problem(path=name, message=message)]) from error
