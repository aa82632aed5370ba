"""Facts about the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from runwright.domain.ids import WorkspaceId
from runwright.storage.database import queries

_SQL = queries("system")


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """A table of the database, including its indexes."""

    name: str
    size_bytes: int
    rows: int
    """The database's estimate."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseFacts:
    """The database's version, size and contents."""

    version: str
    size_bytes: int
    connections: int
    max_connections: int
    migration: int
    """The last one applied."""
    oldest_run_at: datetime | None
    tables: list[Table]


async def facts(connection: Any, workspace_id: WorkspaceId) -> DatabaseFacts:
    """The database's version, size and contents."""
    row = await connection.fetchrow(_SQL["facts"], workspace_id)
    tables = [Table(**each) for each in await connection.fetch(_SQL["tables"])]
    return DatabaseFacts(**row, tables=tables)
