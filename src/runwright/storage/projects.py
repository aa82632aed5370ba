"""Rows of Projects and Deployments: one function per query of `sql/projects.sql`."""

from __future__ import annotations

import dataclasses
import functools
import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from runwright.domain.ids import DeploymentId, ProjectId, WorkspaceId
from runwright.domain.projects import (
    Api,
    BrowserKind,
    Deployment,
    DeploymentStatus,
    Isolation,
    Manifest,
    Project,
    ProjectSettings,
    Requirements,
)
from runwright.storage.database import queries

_SQL = queries("projects")


async def find(connection: Any, workspace_id: WorkspaceId, name: str) -> Project | None:
    """A project by name, with its current Deployment."""
    row = await connection.fetchrow(_SQL["with_current"], workspace_id, name)
    return None if row is None else _project(row)


async def get(connection: Any, project_id: ProjectId) -> Project:
    """An existing project, with its current Deployment."""
    return _project(await connection.fetchrow(_SQL["by_id"], project_id))


async def list_all(connection: Any, workspace_id: WorkspaceId) -> list[Project]:
    """All projects of a workspace, by name."""
    return [_project(row) for row in await connection.fetch(_SQL["list"], workspace_id)]


async def name_of(connection: Any, project_id: ProjectId) -> str | None:
    """The name of a project."""
    return await connection.fetchval(_SQL["name_of"], project_id)


async def ensure(
    connection: Any, project_id: UUID, workspace_id: WorkspaceId, name: str
) -> ProjectId:
    """Insert the project unless it exists; lock it until the transaction ends."""
    row = await connection.fetchrow(_SQL["ensure"], project_id, workspace_id, name)
    return ProjectId(row["id"])


async def limits(connection: Any) -> dict[ProjectId, int]:
    """How many Runs of each project may execute at once; 0 is unlimited."""
    rows = await connection.fetch(_SQL["limits"])
    return {ProjectId(row["id"]): row["max_concurrent_runs"] for row in rows}


async def add_deployment(
    connection: Any, deployment_id: DeploymentId, project_id: ProjectId, bundle_sha256: str
) -> Deployment:
    """Insert a Deployment of a locked project."""
    row = await connection.fetchrow(
        _SQL["add_deployment"], deployment_id, project_id, bundle_sha256
    )
    return _deployment(row)


async def deployment(connection: Any, deployment_id: UUID) -> Deployment | None:
    """The Deployment with that id."""
    row = await connection.fetchrow(_SQL["deployment"], deployment_id)
    return None if row is None else _deployment(row)


async def deployments(connection: Any, project_id: ProjectId) -> list[Deployment]:
    """All Deployments of a project, newest first."""
    return [_deployment(row) for row in await connection.fetch(_SQL["deployments"], project_id)]


async def hold_deployment(connection: Any, deployment_id: UUID) -> bool:
    """Keep a Deployment from being deleted until the transaction ends; False when it is already gone."""
    return await connection.fetchval(_SQL["hold_deployment"], deployment_id) is not None


async def begin_deployment(connection: Any, deployment_id: UUID) -> Deployment | None:
    """Claim an unfinished Deployment under a new fence."""
    row = await connection.fetchrow(_SQL["begin_deployment"], deployment_id)
    return None if row is None else _deployment(row)


async def report_deployment(connection: Any, begun: Deployment, line: str) -> None:
    """Append a line of progress, unless the Deployment was claimed again since it was begun."""
    await connection.execute(_SQL["report_deployment"], begun.id, begun.fence, line)


async def finish_deployment(
    connection: Any,
    begun: Deployment,
    manifest: Manifest,
    *,
    sealed_sink: bytes | None = None,
    sealed_proxy: bytes | None = None,
) -> bool:
    """Make a Deployment ready; False when it was claimed again or ended since it was begun."""
    row = await connection.fetchrow(
        _SQL["finish_deployment"],
        begun.id,
        begun.fence,
        _manifest_text(manifest),
        sealed_sink,
        sealed_proxy,
    )
    return row is not None


async def fail_deployment(connection: Any, begun: Deployment, error: str) -> None:
    """Fail a Deployment, unless it was claimed again since it was begun."""
    await connection.execute(_SQL["fail_deployment"], begun.id, begun.fence, error)


async def lock(connection: Any, project_id: ProjectId) -> None:
    """Lock a project until the transaction ends."""
    await connection.execute(_SQL["lock"], project_id)


async def make_current(
    connection: Any, project_id: ProjectId, deployment_id: DeploymentId, limit: int
) -> bool:
    """Make the Deployment current; False when a newer one already is."""
    await lock(connection, project_id)
    row = await connection.fetchrow(_SQL["make_current"], project_id, deployment_id, limit)
    return row is not None


async def put_current(
    connection: Any, project_id: ProjectId, deployment_id: DeploymentId, limit: int
) -> None:
    """Make the Deployment current, whichever one was."""
    await connection.execute(_SQL["put_current"], project_id, deployment_id, limit)


async def unfinished(connection: Any) -> list[DeploymentId]:
    """Deployments that are neither ready nor failed."""
    return [DeploymentId(row["id"]) for row in await connection.fetch(_SQL["unfinished"])]


async def current_deployments(connection: Any, limit: int) -> list[Deployment]:
    """Current Deployments, those with the latest Runs first."""
    return [_deployment(row) for row in await connection.fetch(_SQL["current_deployments"], limit)]


def _project(row: Any) -> Project:
    return Project(
        id=ProjectId(row["own_id"]),
        workspace_id=WorkspaceId(row["own_workspace_id"]),
        name=row["name"],
        current=None if row["id"] is None else _deployment(row),
        created_at=row["project_created_at"],
    )


def _deployment(row: Any) -> Deployment:
    created_at: datetime = row["created_at"]
    return Deployment(
        id=DeploymentId(row["id"]),
        workspace_id=WorkspaceId(row["workspace_id"]),
        project_id=ProjectId(row["project_id"]),
        number=row["number"],
        bundle_sha256=row["bundle_sha256"],
        status=DeploymentStatus(row["status"]),
        manifest=_manifest(row["manifest"]),
        error=row["error"],
        progress=tuple(row["progress"]),
        created_at=created_at,
        ended_at=row["ended_at"],
        sealed_sink=row["sealed_sink"],
        sealed_proxy=row["sealed_proxy"],
        fence=row["fence"],
    )


def _manifest_text(manifest: Manifest) -> str:
    def plain(value: object) -> object:
        if isinstance(value, timedelta):
            return value.total_seconds()
        raise TypeError(f"cannot store a {type(value).__name__} in a manifest")

    return json.dumps(dataclasses.asdict(manifest), default=plain)


# A manifest never changes, and every `run/start` reads one.
@functools.lru_cache(maxsize=256)
def _manifest(text: str | None) -> Manifest | None:
    if text is None:
        return None
    body = json.loads(text)
    settings = body["settings"]
    seconds = settings["default_request_timeout"]
    # Manifests of earlier versions lack it.
    time_to_live = settings.get("queue_time_to_live")
    settings |= {
        "browser": BrowserKind(settings["browser"]),
        "isolation": Isolation(settings["isolation"]),
        "unsupported": tuple(settings["unsupported"]),
        "queue_time_to_live": None if time_to_live is None else timedelta(seconds=time_to_live),
        "default_request_timeout": None if seconds is None else timedelta(seconds=seconds),
    }
    return Manifest(
        apis=tuple(Api(**api) for api in body["apis"]),
        settings=ProjectSettings(**settings),
        requirements=Requirements(
            python=body["requirements"]["python"],
            packages=tuple(body["requirements"]["packages"]),
            sha256=body["requirements"].get("sha256"),
            preferred_python=body["requirements"].get("preferred_python"),
        ),
    )
