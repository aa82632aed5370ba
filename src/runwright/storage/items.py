"""Rows of Runs as items of a JobRun: one function per query of `sql/items.sql`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from runwright.domain.auth_sessions import SessionPlan
from runwright.domain.ids import RunId
from runwright.domain.runs import Cancellation
from runwright.storage import run_texts, runs, session_plans
from runwright.storage.database import queries
from runwright.storage.runs import RunRow

_SQL = queries("items")


@dataclass(frozen=True, kw_only=True, slots=True)
class NewItem:
    """A Run about to be appended to a JobRun."""

    id: RunId
    api: str
    parameters: dict[str, Any]
    sealed_proxy: bytes | None
    request_timeout: timedelta
    maximum_attempts: int


async def add(
    connection: Any, job_run_id: str, items: Sequence[NewItem], session: SessionPlan | None
) -> None:
    """Append items to a locked JobRun, held until it feeds them."""
    await connection.execute(
        _SQL["add"],
        job_run_id,
        [item.id for item in items],
        [item.api for item in items],
        [json.dumps(item.parameters) for item in items],
        [item.sealed_proxy for item in items],
        [item.request_timeout for item in items],
        [item.maximum_attempts for item in items],
        session_plans.text(session),
    )


async def standing(
    connection: Any, job_run_id: str, *, at_most: int, counts_begun: bool
) -> tuple[int, int, int]:
    """How many items are in progress, how many are held (counted up to `at_most`), and how many were fed."""
    row = await connection.fetchrow(_SQL["standing"], job_run_id, at_most, counts_begun)
    return row["active"], row["held"], row["begun"]


async def feed(connection: Any, job_run_id: str, count: int) -> list[tuple[RunId, int]]:
    """Assign turns to the next held items of a locked JobRun; return ids and turns, in order."""
    rows = await connection.fetch(_SQL["feed"], job_run_id, count)
    return sorted(((RunId(row["id"]), row["turn"]) for row in rows), key=lambda each: each[1])


async def unfeed(connection: Any, job_run_id: str) -> list[str]:
    """Take back the fed items that no Worker has looked at yet; return their ids."""
    return [row["id"] for row in await connection.fetch(_SQL["unfeed"], job_run_id)]


async def fed(connection: Any, job_run_id: str) -> list[str]:
    """The items of a JobRun that are queued or in progress."""
    return [row["id"] for row in await connection.fetch(_SQL["fed"], job_run_id)]


async def cancel_held(
    connection: Any, job_run_id: str, cancellation: Cancellation, limit: int
) -> list[RunRow]:
    """Cancel up to `limit` held items; return them."""
    text = run_texts.cancellation_text(cancellation)
    rows = await connection.fetch(_SQL["cancel_held"], job_run_id, text, limit)
    return [runs.run_row(row) for row in rows]


async def results(
    connection: Any, job_run_id: str, *, after: int, limit: int
) -> list[tuple[int, RunRow]]:
    """Ended items of a JobRun with their positions, in order, following `after`."""
    rows = await connection.fetch(_SQL["results"], job_run_id, after, limit)
    return [(row["position"], runs.run_row(row)) for row in rows]


async def failed_deliveries(connection: Any, job_run_id: str) -> list[str]:
    """The Deliveries of a JobRun for which every try failed."""
    return [row["id"] for row in await connection.fetch(_SQL["failed_deliveries"], job_run_id)]
