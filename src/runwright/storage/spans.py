"""Rows of Run counts by span of time: one function per query of `sql/spans.sql`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from runwright.domain.insight.overview import DURATION_RATIO, DURATION_STEPS, SHORTEST
from runwright.storage.database import queries, transaction

_SQL = queries("spans")
HOUR, QUARTER = timedelta(hours=1), timedelta(hours=6)
"""Span lengths: one for the last two days, and one for a month."""


async def fill(connection: Any, limit: int) -> bool:
    """Count about `limit` Runs that have ended since the last call; True when more remain."""
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
    """Delete spans that no chart shows anymore."""
    await connection.execute(_SQL["forget"])
