"""Authenticates and authorizes callers: the key in `x-api-key`, its workspace, its scopes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader

from runwright.control.access import keys
from runwright.control.base.platform import Platform
from runwright.control.projects import projects
from runwright.domain.ids import WorkspaceId
from runwright.domain.projects import ApiKey, Project, Scope
from runwright.errors import Forbidden, NotFound, Unauthorized

_header = APIKeyHeader(name="x-api-key", auto_error=False, description="An API key.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """An authenticated caller of one workspace."""

    platform: Platform
    key: ApiKey
    workspace_id: WorkspaceId

    async def project(self, name: str) -> Project:
        """Find a project of the workspace."""
        return await projects.find(self.platform, self.workspace_id, name)


async def identify(
    platform: Platform, secret: str | None, workspace_id: str, scope: Scope
) -> ApiKey:
    """Authenticate a caller's key.

    Raises:
        Unauthorized: the key is missing or invalid.
        NotFound: the key belongs to another workspace, whose existence is not disclosed.
        Forbidden: the key lacks the scope.
    """
    if not secret:
        raise Unauthorized
    key = await keys.authenticate(platform, secret)
    if str(key.workspace_id) != _canonical(workspace_id):
        raise NotFound
    if not (key.allows(scope) or (scope is Scope.READ and key.allows(Scope.RUN))):
        raise Forbidden(f"This API key lacks the scope `{scope.value}`.")
    return key


def _may(scope: Scope) -> Callable[..., Awaitable[Caller]]:
    """A dependency that yields the caller if the key has the scope; raises the same errors as `identify`."""

    async def caller(
        request: Request, workspace_id: str, secret: Annotated[str | None, Depends(_header)]
    ) -> Caller:
        platform: Platform = request.app.state.platform
        key = await identify(platform, secret, workspace_id, scope)
        return Caller(platform=platform, key=key, workspace_id=key.workspace_id)

    return caller


Reader = Annotated[Caller, Depends(_may(Scope.READ))]
Starter = Annotated[Caller, Depends(_may(Scope.RUN))]
Deployer = Annotated[Caller, Depends(_may(Scope.DEPLOY))]
Admin = Annotated[Caller, Depends(_may(Scope.ADMIN))]


def _canonical(workspace_id: str) -> str | None:
    try:
        return str(UUID(workspace_id))
    except ValueError:
        return None
