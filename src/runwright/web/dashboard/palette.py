"""The jump dialog's list: every registered page, every project and its Apis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from fastapi import APIRouter, Response

from runwright.control.projects import projects
from runwright.web.dashboard.kit.identity import Reader, User
from runwright.web.dashboard.kit.registration import Link
from runwright.web.dashboard.kit.route import Route
from runwright.web.server import bodies


class Place(TypedDict):
    """A page to jump to."""

    name: str
    kind: str
    path: str


def make(links: Sequence[Link], tabs: Sequence[Link]) -> APIRouter:
    """Build the route that lists the places, from the links of the registered pages."""
    router = APIRouter(route_class=Route)

    @router.get("/places")
    async def places(user: Reader) -> Response:
        found = [Place(name=link.label, kind="page", path=f"/{link.path}") for link in links]
        return bodies.answer(found + await _in_projects(user, tabs))

    return router


async def _in_projects(user: User, tabs: Sequence[Link]) -> list[Place]:
    found: list[Place] = []
    for project in await projects.list_all(user.platform, user.workspace_id):
        base = f"/projects/{project.name}"
        found.append({"name": project.name, "kind": "project", "path": base})
        found += [
            Place(name=f"{project.name}: {tab.label}", kind="page", path=f"{base}/{tab.path}")
            for tab in tabs
        ]
        manifest = project.manifest
        for api in () if manifest is None else manifest.apis:
            place = f"{base}/playground?api={api.name}"
            found.append({"name": f"{project.name} / {api.name}", "kind": "API", "path": place})
    return found
