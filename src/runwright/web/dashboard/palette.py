"""Where a person can jump to."""

from __future__ import annotations

from typing import TypedDict

from fastapi import APIRouter, Response

from runwright.control.projects import projects
from runwright.web.dashboard.kit import pages
from runwright.web.dashboard.kit.identity import Viewer
from runwright.web.dashboard.kit.route import Route
from runwright.web.server import bodies

routes = APIRouter(route_class=Route)


class Place(TypedDict):
    """A page to jump to."""

    name: str
    kind: str
    path: str


@routes.get("/places")
async def places(visitor: Viewer) -> Response:
    """List the pages there are."""
    found: list[Place] = [
        {"name": "Home", "kind": "page", "path": "/"},
        {"name": "Projects", "kind": "page", "path": "/projects"},
        {"name": "System", "kind": "page", "path": "/system"},
    ]
    for project in await projects.list_all(visitor.platform, visitor.workspace_id):
        base = f"/projects/{project.name}"
        found.append({"name": project.name, "kind": "project", "path": base})
        found += [
            Place(name=f"{project.name}: {label}", kind="page", path=f"{base}/{tab}")
            for tab, label in pages.TABS.items()
        ]
        manifest = None if project.current is None else project.current.manifest
        for api in () if manifest is None else manifest.apis:
            place = f"{base}/playground?api={api.name}"
            found.append({"name": f"{project.name} / {api.name}", "kind": "API", "path": place})
    return bodies.answer(found)
