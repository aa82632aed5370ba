"""Runs counted by spans of time, as rows: one function a query of `sql/spans.sql`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from runwright.domain.insight.overview import DURATION_RATIO, DURATION_STEPS, SHORTEST
from runwright.storage.database import queries, transaction

_SQL = queries("spans")
HOUR, QUARTER = timedelta(hours=1), timedelta(hours=6)
"""How long spans are: those of the last two days, and those of a month."""


async def fill(connection: Any, limit: int) -> bool:
    """Count some `limit` Runs that have ended since the last time; return whether there are more."""
    async with transaction(connection):
        since: datetime | None = await connection.fetchval(_SQL["lock"])
        if since is None:
            return False
        found = await connection.fetchrow(_SQL["bound"], since, limit)
        if found is None:
            return False
        arguments = (since, found["bound"], SHORTEST, DURATION_STEPS, DURATION_RATIO)
        await connection.execute(_SQL["fill"], *arguments)
        await connection.execute(_SQL["move"], found["bound"])
    return bool(found["is_more"])


async def forget(connection: Any) -> None:
    """Forget what no chart shows any more."""
    await connection.execute(_SQL["forget"])
