"""The queue's entries: pgqueuer on our PostgreSQL. `consumer` hands them out, and nobody else knows it.

Our tables hold the truth; an entry here only says "look at that".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pgqueuer.db import AsyncpgDriver
from pgqueuer.queries import Queries

INSTALL_LOCK = 7_240_117


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """Something to look at."""

    queue: str
    id: str
    """Unique among the waiting and running entries of all queues."""
    priority: int = 0
    """Higher goes first, over all queues; equals go in order of arrival."""
    delay: timedelta | None = None
    key: str | None = None
    """What must be unique instead of the id: for an entry made while the one before may still be there."""


async def install(connection: Any) -> None:
    """Create or upgrade the queue's own tables; one process at a time may, under `INSTALL_LOCK`."""
    queries = Queries(AsyncpgDriver(connection))
    if await queries.schema_is_installed():
        await queries.upgrade()
    else:
        await queries.install()


async def enqueue(connection: Any, *entries: Entry) -> None:
    """Add the entries in the connection's transaction, save those that are there already."""
    if not entries:
        return
    await Queries(AsyncpgDriver(connection)).enqueue(
        [entry.queue for entry in entries],
        [entry.id.encode() for entry in entries],
        [entry.priority for entry in entries],
        [entry.delay for entry in entries],
        [entry.key or entry.id for entry in entries],
        on_conflict="skip",
    )


async def remove(connection: Any, ids: Sequence[str]) -> None:
    """Take back entries that have not been handed out, in the connection's transaction."""
    if ids:
        await connection.execute(
            "DELETE FROM pgqueuer WHERE status = 'queued' AND payload IN"
            " (SELECT convert_to(wanted.id, 'UTF8') FROM unnest($1::text[]) AS wanted (id))",
            list(ids),
        )


async def without_entry(connection: Any, ids: Sequence[str]) -> list[str]:
    """Return those of the ids that have no waiting or running entry."""
    rows = await connection.fetch(
        "SELECT wanted.id FROM unnest($1::text[]) AS wanted (id)"
        " LEFT JOIN pgqueuer ON payload = convert_to(wanted.id, 'UTF8')"
        " AND status IN ('queued', 'picked') WHERE pgqueuer.id IS NULL",
        list(ids),
    )
    return [row["id"] for row in rows]


async def depth(connection: Any) -> int:
    """Return how many entries wait to be handed out."""
    return await connection.fetchval("SELECT count(*) FROM pgqueuer WHERE status = 'queued'")


async def entries(connection: Any, limit: int) -> dict[str, int]:
    """Return how many entries there are by status, `queued` or `picked`; no more than `limit` count."""
    rows = await connection.fetch(
        "SELECT status::text, count(*) FROM (SELECT status FROM pgqueuer LIMIT $1) AS counted"
        " GROUP BY status",
        limit,
    )
    return {row["status"]: row["count"] for row in rows}


async def count_log(connection: Any, older_than: timedelta) -> int:
    """Return how many lines of the queue's own log are older."""
    return await connection.fetchval(
        "SELECT count(*) FROM pgqueuer_log WHERE created < now() - $1::interval", older_than
    )


async def forget_log(connection: Any, older_than: timedelta, limit: int) -> int:
    """Forget a batch of older lines of the queue's own log; return how many there were."""
    found = await connection.fetch(
        "DELETE FROM pgqueuer_log WHERE id IN (SELECT id FROM pgqueuer_log"
        " WHERE created < now() - $1::interval ORDER BY created LIMIT $2) RETURNING id",
        older_than,
        limit,
    )
    return len(found)
