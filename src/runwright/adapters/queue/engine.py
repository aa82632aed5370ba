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
PAYLOAD_INDEX = "runwright_payload"

# Each id by itself, in the index: what waits is not read for it, however much that is.
WITHOUT_ENTRY = """
SELECT wanted.id FROM unnest($1::text[]) AS wanted (id)
WHERE NOT EXISTS (
    SELECT FROM pgqueuer
    WHERE payload = convert_to(wanted.id, 'UTF8') AND status IN ('queued', 'picked') OFFSET 0
)
"""
REMOVE = """
DELETE FROM pgqueuer WHERE status = 'queued' AND payload IN (
    SELECT convert_to(wanted.id, 'UTF8') FROM unnest($1::text[]) AS wanted (id)
)
"""
ENTRIES = """
SELECT status::text, count(*) FROM (SELECT status FROM pgqueuer LIMIT $1) AS counted GROUP BY status
"""
FORGET_LOG = """
DELETE FROM pgqueuer_log WHERE id = ANY (ARRAY(
    SELECT id FROM pgqueuer_log WHERE created < now() - $1::interval ORDER BY created LIMIT $2
))
RETURNING id
"""


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
    # Check first: even `IF NOT EXISTS` waits for all writers, and blocks new ones meanwhile.
    if await connection.fetchval("SELECT to_regclass($1) IS NULL", PAYLOAD_INDEX):
        await connection.execute(f"CREATE INDEX {PAYLOAD_INDEX} ON pgqueuer (payload)")


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
        await connection.execute(REMOVE, list(ids))


async def without_entry(connection: Any, ids: Sequence[str]) -> list[str]:
    """Return those of the ids that have no waiting or running entry."""
    return [row["id"] for row in await connection.fetch(WITHOUT_ENTRY, list(ids))]


async def depth(connection: Any) -> int:
    """Return how many entries wait to be handed out."""
    return await connection.fetchval("SELECT count(*) FROM pgqueuer WHERE status = 'queued'")


async def entries(connection: Any, limit: int) -> dict[str, int]:
    """Return how many entries there are by status, `queued` or `picked`; no more than `limit` count."""
    return {row["status"]: row["count"] for row in await connection.fetch(ENTRIES, limit)}


async def count_log(connection: Any, older_than: timedelta) -> int:
    """Return how many lines of the queue's own log are older."""
    return await connection.fetchval(
        "SELECT count(*) FROM pgqueuer_log WHERE created < now() - $1::interval", older_than
    )


async def forget_log(connection: Any, older_than: timedelta, limit: int) -> int:
    """Forget a batch of older lines of the queue's own log; return how many there were."""
    return len(await connection.fetch(FORGET_LOG, older_than, limit))
