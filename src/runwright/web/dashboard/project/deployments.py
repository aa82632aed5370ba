"""Deployments of a project: build output, changes, and rollback."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from runwright.control.projects import deployments
from runwright.domain.projects import DeploymentStatus, Project
from runwright.errors import Conflict
from runwright.web.dashboard.kit import pages, stream
from runwright.web.dashboard.kit.identity import Deployer, Reader, User
from runwright.web.dashboard.kit.registration import Link, Page
from runwright.web.dashboard.kit.route import Route

routes = APIRouter(route_class=Route)
PAGE = Page(routes=routes, tab=Link(label="Deployments", path="deployments"))

_TOPICS = ("deployment:*", "projects")


@routes.get("/projects/{name}/deployments")
async def show_all(user: Reader, name: str) -> Response:
    """List the Deployments of a project."""
    values = await _list(user, name)
    return pages.for_user(user, "deployments.html", active="projects", tab="deployments", **values)


@routes.get("/projects/{name}/deployments/events")
async def follow_all(user: Reader, name: str) -> Response:
    """Stream updates of the list."""
    await user.project(name)

    async def render() -> Mapping[str, str]:
        values = await _list(user, name)
        text = pages.text(user.request, "parts/deployment_rows.html", user=user, **values)
        return {"deployment-rows": text}

    return stream.parts(user, render, topics=_TOPICS)


@routes.get("/projects/{name}/deployments/{deployment_id}")
async def show(user: Reader, name: str, deployment_id: UUID) -> Response:
    """Show a Deployment."""
    values = await _one(user, name, deployment_id)
    return pages.for_user(user, "deployment.html", active="projects", tab="deployments", **values)


@routes.get("/projects/{name}/deployments/{deployment_id}/events")
async def follow(user: Reader, name: str, deployment_id: UUID) -> Response:
    """Stream its build."""
    await _one(user, name, deployment_id)

    async def render() -> Mapping[str, str]:
        values = await _one(user, name, deployment_id)
        text = pages.text(user.request, "parts/deployment.html", user=user, **values)
        return {"deployment": text}

    return stream.parts(user, render, topics=_TOPICS)


@routes.post("/projects/{name}/deployments/{deployment_id}/current")
async def make_current(user: Deployer, name: str, deployment_id: UUID) -> Response:
    """Make a Deployment the current one."""
    project = await user.project(name)
    await deployments.roll_back(user.platform, project, deployment_id)
    return pages.redirect(user.request, f"/projects/{project.name}/deployments", notice="current")


async def _list(user: User, name: str) -> dict[str, Any]:
    project = await user.project(name)
    return {
        "project": project,
        "deployments": await deployments.list_all(user.platform, project.id),
        "current": _current(project),
    }


async def _one(user: User, name: str, deployment_id: UUID) -> dict[str, Any]:
    project = await user.project(name)
    found = await deployments.get(user.platform, project.id, deployment_id)
    difference = None
    is_current = found.id == _current(project)
    if found.status is DeploymentStatus.READY and not is_current:
        try:
            difference = await deployments.compare(user.platform, project, deployment_id)
        except Conflict:
            difference = None
    return {
        "project": project,
        "deployment": found,
        "difference": difference,
        "is_current": is_current,
        "is_followed": found.status in (DeploymentStatus.PENDING, DeploymentStatus.BUILDING),
    }


def _current(project: Project) -> UUID | None:
    return None if project.current is None else project.current.id
