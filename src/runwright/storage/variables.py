"""Rows of variables. Values arrive sealed and stay sealed here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from runwright.storage.database import queries

_SQL = queries("variables")


@dataclass(frozen=True, kw_only=True, slots=True)
class VariableRow:
    """A variable with its sealed value."""

    name: str
    sealed_value: bytes
    updated_at: datetime


async def put(connection: Any, owner_id: UUID, name: str, sealed_value: bytes) -> None:
    """Save a variable and notify the projects that see it."""
    await connection.execute(_SQL["set"], owner_id, name, sealed_value)
    await connection.execute(_SQL["renew"], owner_id)


async def forget(connection: Any, owner_id: UUID, name: str) -> bool:
    """Delete a variable and notify the projects that saw it; False when there was none."""
    found = await connection.fetchrow(_SQL["unset"], owner_id, name)
    await connection.execute(_SQL["renew"], owner_id)
    return found is not None


async def list_all(connection: Any, owner_id: UUID) -> list[VariableRow]:
    """The variables of a workspace or project, by name."""
    return [
        VariableRow(
            name=row["name"], sealed_value=row["sealed_value"], updated_at=row["updated_at"]
        )
        for row in await connection.fetch(_SQL["list"], owner_id)
    ]
