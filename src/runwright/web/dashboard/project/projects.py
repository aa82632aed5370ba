"""Projects: the list, and the overview of a project."""

from __future__ import annotations

from fastapi import APIRouter, Response

from runwright.control.insight import drift, overview
from runwright.domain.drift import FIRST_RUNS
from runwright.domain.projects import Api, Project
from runwright.web.dashboard import home
from runwright.web.dashboard.drawing import charts
from runwright.web.dashboard.kit import pages
from runwright.web.dashboard.kit.forms import Sent
from runwright.web.dashboard.kit.identity import Operator, Reader
from runwright.web.dashboard.kit.registration import Link, Page
from runwright.web.dashboard.kit.route import Route

routes = APIRouter(route_class=Route)
PAGE = Page(routes=routes, link=Link(label="Projects", path="projects", key="p", icon="projects"))


@routes.get("/projects")
async def list_projects(user: Reader) -> Response:
    """List all projects."""
    found = await overview.projects(user.platform, user.workspace_id)
    return pages.for_user(user, "projects.html", active="projects", projects=found)


@routes.get("/projects/{name}")
async def project(user: Reader, name: str) -> Response:
    """Show a project: its Apis, charts and failures."""
    found = await user.project(name)
    window = home.window(user.request)
    platform, workspace_id = user.platform, user.workspace_id
    return pages.for_user(
        user,
        "project.html",
        active="projects",
        tab="overview",
        project=found,
        apis=_apis(found),
        profiles={each.api: each for each in await drift.list_all(platform, found.id)},
        first_runs=FIRST_RUNS,
        window=window,
        windows=list(overview.Window),
        queue=await overview.queue(platform, workspace_id, found.id),
        failures=await overview.failures(platform, workspace_id, window, found),
        charts=charts.draw(await overview.course(platform, workspace_id, window, found)),
    )


@routes.post("/projects/{name}/drift")
async def judge_drift(user: Operator, name: str, form: Sent) -> Response:
    """Accept an Api's latest results as usual, or turn drift detection on or off."""
    found = await user.project(name)
    api, act = form.text("api"), form.text("action")
    if act == "accept":
        await drift.accept(user.platform, found, api)
    else:
        await drift.watch(user.platform, found, api, is_watched=act == "on")
    return pages.redirect(user.request, f"/projects/{found.name}", notice="saved")


def _apis(project: Project) -> tuple[Api, ...]:
    return () if project.manifest is None else project.manifest.apis
