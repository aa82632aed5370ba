"""Workspaces, API keys and Workers as rows: one function a query of `sql/platform.sql`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from runwright.domain.ids import KeyId, WorkerId, WorkspaceId
from runwright.domain.projects import ApiKey, Scope
from runwright.storage.database import queries

_SQL = queries("platform")


async def first_workspace(connection: Any) -> WorkspaceId | None:
    """Return the workspace made at the first start."""
    row = await connection.fetchrow(_SQL["first_workspace"])
    return None if row is None else WorkspaceId(row["id"])


async def add_workspace(connection: Any, workspace_id: UUID, name: str) -> WorkspaceId:
    """Make a workspace."""
    row = await connection.fetchrow(_SQL["add_workspace"], workspace_id, name)
    return WorkspaceId(row["id"])


async def add_key(
    connection: Any,
    key_id: KeyId,
    workspace_id: WorkspaceId,
    name: str,
    secret_sha256: bytes,
    scopes: Iterable[Scope],
) -> ApiKey:
    """Keep the hash of a new key."""
    row = await connection.fetchrow(
        _SQL["add_key"], key_id, workspace_id, name, secret_sha256, sorted(scopes)
    )
    return _key(row)


async def find_key(connection: Any, secret_sha256: bytes) -> ApiKey | None:
    """Return the key with that hash, revoked or not."""
    row = await connection.fetchrow(_SQL["find_key"], secret_sha256)
    return None if row is None else _key(row)


async def keys(connection: Any, workspace_id: WorkspaceId) -> list[ApiKey]:
    """Return the keys of a workspace, newest first."""
    return [_key(row) for row in await connection.fetch(_SQL["keys"], workspace_id)]


async def revoke_key(connection: Any, workspace_id: WorkspaceId, key_id: str) -> bool:
    """Make a key worthless; return whether there is one."""
    return await connection.fetchrow(_SQL["revoke_key"], workspace_id, key_id) is not None


async def beat(connection: Any, worker_id: WorkerId, host: str, pid: int, slots: int) -> None:
    """Say that a Worker is alive."""
    await connection.execute(_SQL["beat"], worker_id, host, pid, slots)
    await connection.execute(_SQL["forget_silent_workers"])


async def forget_worker(connection: Any, worker_id: WorkerId) -> None:
    """A Worker has stopped in good order."""
    await connection.execute(_SQL["forget_worker"], worker_id)


async def live_workers(connection: Any, within: timedelta) -> int:
    """Return how many Workers were heard of lately."""
    return await connection.fetchval(_SQL["live_workers"], within)


def _key(row: Any) -> ApiKey:
    return ApiKey(
        id=KeyId(row["id"]),
        workspace_id=WorkspaceId(row["workspace_id"]),
        name=row["name"],
        scopes=frozenset(Scope(scope) for scope in row["scopes"]),
        created_at=row["created_at"],
        revoked_at=row["revoked_at"],
    )
