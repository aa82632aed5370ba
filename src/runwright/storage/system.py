"""What the database tells of itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from runwright.domain.ids import WorkspaceId
from runwright.storage.database import queries

_SQL = queries("system")


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """A table of the database with its indexes."""

    name: str
    size_bytes: int
    rows: int
    """As the database estimates."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseFacts:
    """What the database is and holds."""

    version: str
    size_bytes: int
    connections: int
    max_connections: int
    migration: int
    """The last one that was applied."""
    oldest_run_at: datetime | None
    tables: list[Table]


async def facts(connection: Any, workspace_id: WorkspaceId) -> DatabaseFacts:
    """Return what the database is and holds."""
    row = await connection.fetchrow(_SQL["facts"], workspace_id)
    tables = [Table(**each) for each in await connection.fetch(_SQL["tables"])]
    return DatabaseFacts(**row, tables=tables)
