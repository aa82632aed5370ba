"""Variables of a project and its workspace: their names, never their values."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Response

from runwright.control.projects import variables
from runwright.web.dashboard.kit import pages
from runwright.web.dashboard.kit.forms import Sent
from runwright.web.dashboard.kit.identity import Deployer, User
from runwright.web.dashboard.kit.registration import Link, Page
from runwright.web.dashboard.kit.route import Route

routes = APIRouter(route_class=Route)
PAGE = Page(routes=routes, tab=Link(label="Variables", path="variables"))


@routes.get("/projects/{name}/variables")
async def show(user: Deployer, name: str) -> Response:
    """Show which variables are set."""
    project = await user.project(name)
    return pages.for_user(
        user,
        "variables.html",
        active="projects",
        tab="variables",
        project=project,
        own=await variables.names(user.platform, project.id),
        shared=await variables.names(user.platform, user.workspace_id),
    )


@routes.post("/projects/{name}/variables")
async def put(user: Deployer, name: str, form: Sent) -> Response:
    """Set a variable."""
    owner = await _owner(user, name, form.text("owner"))
    await variables.put(user.platform, owner, form.text("name"), form.raw("value"))
    return pages.redirect(user.request, f"/projects/{name}/variables", notice="set")


@routes.post("/projects/{name}/variables/unset")
async def unset(user: Deployer, name: str, form: Sent) -> Response:
    """Unset a variable."""
    owner = await _owner(user, name, form.text("owner"))
    await variables.forget(user.platform, owner, form.text("name"))
    return pages.redirect(user.request, f"/projects/{name}/variables", notice="unset")


async def _owner(user: User, name: str, owner: str) -> UUID:
    project = await user.project(name)
    return user.workspace_id if owner == "workspace" else project.id
