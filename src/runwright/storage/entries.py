"""Rows of the key-value stores that authors' code uses."""

from __future__ import annotations

from typing import Any

from runwright.domain.ids import ProjectId
from runwright.storage.database import queries

_SQL = queries("entries")


async def get(connection: Any, project_id: ProjectId, store: str, key: str) -> str | None:
    """The JSON text under a key, or None."""
    return await connection.fetchval(_SQL["get"], project_id, store, key)


async def put(connection: Any, project_id: ProjectId, store: str, key: str, value: str) -> None:
    """Store JSON text under a key."""
    await connection.execute(_SQL["put"], project_id, store, key, value)
