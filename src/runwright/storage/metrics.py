"""Figures about the installation: one function per query of `sql/metrics.sql`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from runwright.domain.ids import WorkerId
from runwright.domain.insight.metrics import Waiting, WorkerFigures
from runwright.storage.database import queries

_SQL = queries("metrics")
_FOLD_LOCK = 7_240_124


async def counters(connection: Any) -> dict[tuple[str, str], float]:
    """Counter values by name and label."""
    rows = await connection.fetch(_SQL["counters"])
    return {(row["name"], row["label"]): row["value"] for row in rows}


async def queue(connection: Any, limit: int) -> Waiting:
    """The Runs waiting for a Worker, counted up to `limit`."""
    return _waiting(await connection.fetchrow(_SQL["queue"], limit))


async def started(connection: Any, limit: int) -> int:
    """The number of Runs in progress, counted up to `limit`."""
    return await connection.fetchval(_SQL["started"], limit)


async def deliveries(connection: Any, limit: int) -> Waiting:
    """The pending Deliveries, counted up to `limit`."""
    return _waiting(await connection.fetchrow(_SQL["deliveries"], limit))


async def workers(connection: Any, within: timedelta, limit: int) -> tuple[WorkerFigures, ...]:
    """The Workers heard from within that time."""
    return tuple(
        WorkerFigures(
            id=str(row["id"]),
            host=row["host"],
            slots=row["slots"],
            figures=json.loads(row["figures"]),
        )
        for row in await connection.fetch(_SQL["workers"], within, limit)
    )


async def others(connection: Any) -> tuple[int, datetime | None]:
    """The size of the database in bytes, and when pruning last completed."""
    row = await connection.fetchrow(_SQL["others"])
    return row["size_bytes"], row["pruned_at"]


async def publish(connection: Any, worker_id: WorkerId, figures: Mapping[str, float]) -> None:
    """Save a Worker's own figures."""
    await connection.execute(_SQL["publish"], worker_id, json.dumps(figures))


async def observe(connection: Any, name: str, durations: Sequence[timedelta]) -> None:
    """Add durations to a histogram, in the connection's transaction."""
    seconds = [duration.total_seconds() for duration in durations]
    await connection.execute(_SQL["observe"], name, seconds)


async def fold(connection: Any) -> None:
    """Merge the counters of closed connections, unless another process is doing so."""
    await connection.execute(_SQL["fold"], _FOLD_LOCK)


def _waiting(row: Any) -> Waiting:
    return Waiting(count=row["count"], oldest_seconds=row["seconds"])
