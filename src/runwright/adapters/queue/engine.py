"""The queue's entries: pgqueuer on our PostgreSQL. `consumer` takes them.

Our own tables hold the truth; an entry here only says "look at that".
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

# Looks up each id in the index, so the cost does not depend on how many entries wait.
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
    """A reference to something to look at."""

    queue: str
    id: str
    """Unique among the waiting and running entries of all queues."""
    priority: int = 0
    """Higher goes first, across all queues; equal priorities go in order of arrival."""
    delay: timedelta | None = None
    key: str | None = None
    """Must be unique in place of the id: for an entry added while its predecessor may still exist."""


async def install(connection: Any) -> None:
    """Create or upgrade the queue's own tables; call it under `INSTALL_LOCK`, one process at a time."""
    queries = Queries(AsyncpgDriver(connection))
    if await queries.schema_is_installed():
        await queries.upgrade()
    else:
        await queries.install()
    # Check first: even `IF NOT EXISTS` waits for all writers, and blocks new ones meanwhile.
    if await connection.fetchval("SELECT to_regclass($1) IS NULL", PAYLOAD_INDEX):
        await connection.execute(f"CREATE INDEX {PAYLOAD_INDEX} ON pgqueuer (payload)")


async def enqueue(connection: Any, *entries: Entry) -> None:
    """Add the entries in the connection's transaction, skipping those that already exist."""
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
    """Remove entries that have not been handed out, in the connection's transaction."""
    if ids:
        await connection.execute(REMOVE, list(ids))


async def without_entry(connection: Any, ids: Sequence[str]) -> list[str]:
    """The ids that have no waiting or running entry."""
    return [row["id"] for row in await connection.fetch(WITHOUT_ENTRY, list(ids))]


async def depth(connection: Any) -> int:
    """The number of entries waiting to be handed out."""
    return await connection.fetchval("SELECT count(*) FROM pgqueuer WHERE status = 'queued'")


async def entries(connection: Any, limit: int) -> dict[str, int]:
    """The number of entries by status, `queued` or `picked`; at most `limit` are counted."""
    return {row["status"]: row["count"] for row in await connection.fetch(ENTRIES, limit)}


async def count_log(connection: Any, older_than: timedelta) -> int:
    """The number of older rows in the queue's own log."""
    return await connection.fetchval(
        "SELECT count(*) FROM pgqueuer_log WHERE created < now() - $1::interval", older_than
    )


async def forget_log(connection: Any, older_than: timedelta, limit: int) -> int:
    """Delete a batch of older rows from the queue's own log; return how many were deleted."""
    return len(await connection.fetch(FORGET_LOG, older_than, limit))
