"""Rows of workspaces, API keys and Workers: one function per query of `sql/platform.sql`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from runwright.domain.ids import KeyId, WorkerId, WorkspaceId
from runwright.domain.insight.diagnostics import Finding, State
from runwright.domain.insight.overview import RunnerSeen
from runwright.domain.projects import ApiKey, Scope
from runwright.storage.database import queries

_SQL = queries("platform")


async def first_workspace(connection: Any) -> WorkspaceId | None:
    """The workspace created on first startup."""
    row = await connection.fetchrow(_SQL["first_workspace"])
    return None if row is None else WorkspaceId(row["id"])


async def add_workspace(connection: Any, workspace_id: UUID, name: str) -> WorkspaceId:
    """Insert a workspace."""
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
    """Insert an API key, by the hash of its secret."""
    row = await connection.fetchrow(
        _SQL["add_key"], key_id, workspace_id, name, secret_sha256, sorted(scopes)
    )
    return key_of(row)


async def find_key(connection: Any, secret_sha256: bytes) -> ApiKey | None:
    """The API key with that hash, revoked or not."""
    row = await connection.fetchrow(_SQL["find_key"], secret_sha256)
    return None if row is None else key_of(row)


async def keys(connection: Any, workspace_id: WorkspaceId) -> list[ApiKey]:
    """The API keys of a workspace, newest first."""
    return [key_of(row) for row in await connection.fetch(_SQL["keys"], workspace_id)]


async def revoke_key(connection: Any, workspace_id: WorkspaceId, key_id: str) -> bool:
    """Revoke an API key; False when there is no such key."""
    return await connection.fetchrow(_SQL["revoke_key"], workspace_id, key_id) is not None


async def beat(  # noqa: PLR0913 - the columns of a row
    connection: Any,
    worker_id: WorkerId,
    host: str,
    pid: int,
    slots: int,
    runners: Sequence[RunnerSeen] = (),
    *,
    silence: timedelta,
) -> None:
    """Record a Worker's heartbeat and its Runners; `silence` is the gap that counts as silence."""
    pool = json.dumps([dataclasses.asdict(runner) for runner in runners])
    await connection.execute(_SQL["beat"], worker_id, host, pid, slots, pool, silence)
    await connection.execute(_SQL["forget_silent_workers"], worker_id)


async def ask_for_examinations(connection: Any) -> None:
    """Request that every Worker examine its machine."""
    await connection.execute(_SQL["ask_for_examinations"])


async def is_examination_due(
    connection: Any, worker_id: WorkerId, *, every: timedelta, first_after: timedelta
) -> bool:
    """True when a Worker was asked to examine its machine, or has not for that long."""
    return bool(
        await connection.fetchval(_SQL["is_examination_due"], worker_id, every, first_after)
    )


async def publish_findings(connection: Any, worker_id: WorkerId, found: Sequence[Finding]) -> None:
    """Save what a Worker has just found on its machine."""
    text = json.dumps([dataclasses.asdict(finding) for finding in found])
    await connection.execute(_SQL["publish_findings"], worker_id, text)


def findings_of(row: Any) -> tuple[Finding, ...]:
    """The findings in a Worker's row."""
    told: Iterable[dict[str, str]] = json.loads(row["findings"] or "[]")
    return tuple(
        Finding(
            name=each["name"],
            state=State(each["state"]),
            message=each["message"],
            remedy=each["remedy"],
        )
        for each in told
    )


async def is_gone(
    connection: Any, worker_id: WorkerId, asking: WorkerId, silence: timedelta
) -> bool:
    """True when a Worker is gone, as far as `asking` can tell. See the statement."""
    return await connection.fetchval(_SQL["is_gone"], worker_id, asking, silence)


async def forget_worker(connection: Any, worker_id: WorkerId) -> None:
    """Delete a Worker that has shut down cleanly."""
    await connection.execute(_SQL["forget_worker"], worker_id)


def key_of(row: Any) -> ApiKey:
    """Build an ApiKey from its row."""
    return ApiKey(
        id=KeyId(row["id"]),
        workspace_id=WorkspaceId(row["workspace_id"]),
        name=row["name"],
        scopes=frozenset(Scope(scope) for scope in row["scopes"]),
        created_at=row["created_at"],
        revoked_at=row["revoked_at"],
    )
