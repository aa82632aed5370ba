"""Variables of a project and of its workspace: which are set, never what they hold."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Response

from runwright.control.projects import variables
from runwright.web.dashboard.kit import pages
from runwright.web.dashboard.kit.forms import Sent
from runwright.web.dashboard.kit.identity import Publisher, Visitor
from runwright.web.dashboard.kit.route import Route

routes = APIRouter(route_class=Route)


@routes.get("/projects/{name}/variables")
async def show(visitor: Publisher, name: str) -> Response:
    """Show which variables are set."""
    project = await visitor.project(name)
    return pages.visited(
        visitor,
        "variables.html",
        active="projects",
        tab="variables",
        project=project,
        own=await variables.names(visitor.platform, project.id),
        shared=await variables.names(visitor.platform, visitor.workspace_id),
    )


@routes.post("/projects/{name}/variables")
async def put(visitor: Publisher, name: str, form: Sent) -> Response:
    """Set a variable."""
    owner = await _owner(visitor, name, form.text("owner"))
    await variables.put(visitor.platform, owner, form.text("name"), form.raw("value"))
    return pages.go(visitor.request, f"/projects/{name}/variables", said="set")


@routes.post("/projects/{name}/variables/unset")
async def unset(visitor: Publisher, name: str, form: Sent) -> Response:
    """Unset a variable."""
    owner = await _owner(visitor, name, form.text("owner"))
    await variables.forget(visitor.platform, owner, form.text("name"))
    return pages.go(visitor.request, f"/projects/{name}/variables", said="unset")


async def _owner(visitor: Visitor, name: str, owner: str) -> UUID:
    project = await visitor.project(name)
    return visitor.workspace_id if owner == "workspace" else project.id
