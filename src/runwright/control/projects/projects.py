"""Looks up projects."""

from __future__ import annotations

from runwright.control.base.platform import Platform
from runwright.domain.ids import ProjectId, WorkspaceId
from runwright.domain.projects import Project, is_project_name
from runwright.errors import NotFound
from runwright.storage import projects as rows


async def find(platform: Platform, workspace_id: WorkspaceId, name: str) -> Project:
    """Find a project, with its current Deployment.

    Raises:
        NotFound: the workspace has no such project.
    """
    found = (
        await rows.find(platform.database, workspace_id, name) if is_project_name(name) else None
    )
    if found is None:
        raise NotFound(f"There is no project `{name[:100]}` in this workspace: deploy it first.")
    return found


async def list_all(platform: Platform, workspace_id: WorkspaceId) -> list[Project]:
    """All projects of a workspace, sorted by name."""
    return await rows.list_all(platform.database, workspace_id)


async def name_of(platform: Platform, project_id: ProjectId) -> str:
    """The name of a project."""
    name = await rows.name_of(platform.database, project_id)
    if name is None:
        raise NotFound(f"There is no project with the id `{project_id}`.")
    return name
