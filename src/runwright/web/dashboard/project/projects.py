"""Projects: the list of them, and what one holds and is set to."""

from __future__ import annotations

import dataclasses
import json
import shlex
from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Response

from runwright.control.insight import drift, overview
from runwright.domain.drift import FIRST_RUNS
from runwright.domain.projects import Api, Project, ProjectSettings
from runwright.web.dashboard import home
from runwright.web.dashboard.drawing import charts
from runwright.web.dashboard.kit import formatting, pages
from runwright.web.dashboard.kit.forms import Sent
from runwright.web.dashboard.kit.identity import Operator, Viewer
from runwright.web.dashboard.kit.route import Route
from runwright.web.server import project_document

routes = APIRouter(route_class=Route)

_SETTINGS = {
    "kind": "Format",
    "is_api_access_enabled": "API access",
    "max_concurrent_runs": "Max. concurrent runs",
    "browser": "Browser",
    "headful": "Headed browser",
    "isolation": "Isolation",
    "window_width": "Window width",
    "window_height": "Window height",
    "user_agent": "User agent",
    "ignore_https_errors": "Ignore HTTPS errors",
    "has_auth_sessions": "Auth sessions",
    "can_create_sessions": "Automatic sign-in",
    "save_session_traces": "Traces of session operations",
    "session_check_every": "Check valid for",
    "session_start_url": "Sign-in URL",
    "session_finish_url": "URL after sign-in",
    "default_maximum_attempts": "Default attempts",
    "default_request_timeout": "Default timeout",
}


@routes.get("/projects")
async def list_projects(visitor: Viewer) -> Response:
    """Show all projects."""
    found = await overview.projects(visitor.platform, visitor.workspace_id)
    return pages.visited(visitor, "projects.html", active="projects", projects=found)


@routes.get("/projects/{name}")
async def project(visitor: Viewer, name: str) -> Response:
    """Show one project: its Apis, and how it goes."""
    found = await visitor.project(name)
    window = home.window(visitor.request)
    platform, workspace_id = visitor.platform, visitor.workspace_id
    return pages.visited(
        visitor,
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
async def judge_drift(visitor: Operator, name: str, form: Sent) -> Response:
    """Take what an Api's results look like for what is usual, or switch the watch over them."""
    found = await visitor.project(name)
    api, act = form.text("api"), form.text("act")
    if act == "accept":
        await drift.accept(visitor.platform, found, api)
    else:
        await drift.watch(visitor.platform, found, api, is_watched=act == "on")
    return pages.go(visitor.request, f"/projects/{found.name}", said="saved")


@routes.get("/projects/{name}/settings")
async def settings(visitor: Viewer, name: str) -> Response:
    """Show a project's settings as they are in force."""
    found = await visitor.project(name)
    manifest = None if found.current is None else found.current.manifest
    return pages.visited(
        visitor,
        "settings.html",
        active="projects",
        tab="settings",
        project=found,
        manifest=manifest,
        settings=[] if manifest is None else _settings(manifest.settings),
    )


@routes.get("/projects/{name}/openapi")
async def document(visitor: Viewer, name: str) -> Response:
    """Show how each Api is called, as its OpenAPI document says."""
    found = await visitor.project(name)
    platform, request = visitor.platform, visitor.request
    origin = platform.settings.url or str(request.base_url).rstrip("/")
    base = f"{origin}/api/v1/workspace/{visitor.workspace_id}/projects/{found.name}"
    return pages.visited(
        visitor,
        "openapi.html",
        active="projects",
        tab="openapi",
        project=found,
        apis=[(api, _call(api, base)) for api in _apis(found)],
        base=base,
        document=project_document.make(found, base) if _apis(found) else None,
    )


def _call(api: Api, base: str) -> str:
    """Write the `curl` command that starts an Api with its first sample."""
    parameters = next(iter(api.samples.values()), dict[str, Any]())
    body = json.dumps({"api": api.name, "parameters": parameters}, ensure_ascii=False)
    return (
        f'curl -X POST "{base}/run/start" \\\n'
        '  -H "content-type: application/json" -H "x-api-key: $RUNWRIGHT_API_KEY" \\\n'
        f"  -d {shlex.quote(body)}"
    )


def _apis(project: Project) -> tuple[Api, ...]:
    if project.current is None or project.current.manifest is None:
        return ()
    return project.current.manifest.apis


def _settings(settings: ProjectSettings) -> list[tuple[str, str, bool]]:
    """Return each setting by its name for people, its value, and whether that is the default."""
    defaults = ProjectSettings()
    known = {item.name for item in dataclasses.fields(ProjectSettings)}
    return [
        (
            label,
            _value(name, getattr(settings, name)),
            getattr(settings, name) == getattr(defaults, name),
        )
        for name, label in _SETTINGS.items()
        if name in known
    ]


def _value(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "no limit" if name == "max_concurrent_runs" else "not set"
    if isinstance(value, timedelta) or name == "session_check_every":
        return formatting.duration(value) if value else "not at all: every run checks"
    return str(value)
