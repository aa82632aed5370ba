"""Deployments of a project: what building said, what each would change, and rolling back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from runwright.control.projects import deployments
from runwright.domain.projects import DeploymentStatus, Project
from runwright.errors import Conflict
from runwright.web.dashboard.kit import pages, stream
from runwright.web.dashboard.kit.identity import Publisher, Viewer, Visitor
from runwright.web.dashboard.kit.route import Route

routes = APIRouter(route_class=Route)

_TOPICS = ("deployment:*", "projects")


@routes.get("/projects/{name}/deployments")
async def show_all(visitor: Viewer, name: str) -> Response:
    """Show the Deployments of a project."""
    values = await _list(visitor, name)
    return pages.visited(
        visitor, "deployments.html", active="projects", tab="deployments", **values
    )


@routes.get("/projects/{name}/deployments/events")
async def follow_all(visitor: Viewer, name: str) -> Response:
    """Follow that list."""
    await visitor.project(name)

    async def render() -> Mapping[str, str]:
        values = await _list(visitor, name)
        text = pages.text(visitor.request, "parts/deployment_rows.html", visitor=visitor, **values)
        return {"deployment-rows": text}

    return stream.parts(visitor, render, topics=_TOPICS)


@routes.get("/projects/{name}/deployments/{deployment_id}")
async def show(visitor: Viewer, name: str, deployment_id: UUID) -> Response:
    """Show one Deployment."""
    values = await _one(visitor, name, deployment_id)
    return pages.visited(visitor, "deployment.html", active="projects", tab="deployments", **values)


@routes.get("/projects/{name}/deployments/{deployment_id}/events")
async def follow(visitor: Viewer, name: str, deployment_id: UUID) -> Response:
    """Follow how it is built."""
    await _one(visitor, name, deployment_id)

    async def render() -> Mapping[str, str]:
        values = await _one(visitor, name, deployment_id)
        text = pages.text(visitor.request, "parts/deployment.html", visitor=visitor, **values)
        return {"deployment": text}

    return stream.parts(visitor, render, topics=_TOPICS)


@routes.post("/projects/{name}/deployments/{deployment_id}/current")
async def make_current(visitor: Publisher, name: str, deployment_id: UUID) -> Response:
    """Make a Deployment the current one: roll back, or forth."""
    project = await visitor.project(name)
    await deployments.roll_back(visitor.platform, project, deployment_id)
    return pages.go(visitor.request, f"/projects/{project.name}/deployments", said="current")


async def _list(visitor: Visitor, name: str) -> dict[str, Any]:
    project = await visitor.project(name)
    return {
        "project": project,
        "deployments": await deployments.list_all(visitor.platform, project.id),
        "current": _current(project),
    }


async def _one(visitor: Visitor, name: str, deployment_id: UUID) -> dict[str, Any]:
    project = await visitor.project(name)
    found = await deployments.get(visitor.platform, project.id, deployment_id)
    difference = None
    is_current = found.id == _current(project)
    if found.status is DeploymentStatus.READY and not is_current:
        try:
            difference = await deployments.compare(visitor.platform, project, deployment_id)
        except Conflict:
            difference = None
    return {
        "project": project,
        "deployment": found,
        "difference": difference,
        "is_current": is_current,
        "is_live": found.status in (DeploymentStatus.PENDING, DeploymentStatus.BUILDING),
    }


def _current(project: Project) -> UUID | None:
    return None if project.current is None else project.current.id
