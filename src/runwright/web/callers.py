"""Who calls, and what they may: the key in `x-api-key`, its workspace, its scopes."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from fastapi import Request

from runwright.control import keys, projects
from runwright.control.platform import Platform
from runwright.domain.ids import WorkspaceId
from runwright.domain.projects import ApiKey, Project, Scope
from runwright.errors import Forbidden, NotFound, Unauthorized


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """An authenticated caller of one workspace."""

    platform: Platform
    key: ApiKey
    workspace_id: WorkspaceId

    async def project(self, name: str) -> Project:
        """Return a project of the workspace."""
        return await projects.find(self.platform, self.workspace_id, name)


async def identify(request: Request, workspace: str, scope: Scope) -> Caller:
    """Return who calls.

    Raises:
        Unauthorized: there is no valid key.
        NotFound: the key is of another workspace; what exists there is not told.
        Forbidden: the key lacks the scope.
    """
    platform: Platform = request.app.state.platform
    secret = request.headers.get("x-api-key")
    if not secret:
        raise Unauthorized
    key = await keys.authenticate(platform, secret)
    try:
        workspace_id = WorkspaceId(UUID(workspace))
    except ValueError as error:
        raise NotFound from error
    if key.workspace_id != workspace_id:
        raise NotFound
    if not (key.allows(scope) or (scope is Scope.READ and key.allows(Scope.RUN))):
        raise Forbidden(f"This API key lacks the scope `{scope.value}`.")
    return Caller(platform=platform, key=key, workspace_id=workspace_id)
