"""Rows of Attempts, and of the checks and creates that are parts of a Run."""

from __future__ import annotations

from typing import Any

from runwright.domain.failures import Failure
from runwright.domain.ids import RunId
from runwright.domain.runs import Attempt, AttemptStatus, Cancellation, Run, RunKind, RunPlan
from runwright.storage import run_texts
from runwright.storage.database import queries
from runwright.storage.runs import run_row

_SQL = queries("runs")


async def begin_attempt(connection: Any, run_id: str, fence: int) -> int | None:
    """Begin an Attempt under the fence; return its number, or None when the fence has moved on."""
    return await connection.fetchval(_SQL["begin_attempt"], run_id, fence)


async def begin_part(
    connection: Any,
    part_id: RunId,
    parent: tuple[str, int],
    kind: RunKind,
    plan: RunPlan,
) -> bool:
    """Begin a check or create for the Run with that id and fence; False when the fence has moved on."""
    row = await connection.fetchrow(
        _SQL["begin_part"],
        part_id,
        *parent,
        kind.value,
        plan.save_trace,
        plan.request_timeout,
        plan.maximum_attempts,
        plan.api,
    )
    return row is not None


async def parts(connection: Any, run_id: str) -> tuple[Run, ...]:
    """The checks and creates of a Run, in order."""
    return tuple(run_row(row).run for row in await connection.fetch(_SQL["parts"], run_id))


async def lose_parts(connection: Any, run_id: str, failure: Failure) -> None:
    """End the checks and creates of a locked Run whose Worker is gone."""
    await connection.execute(_SQL["lose_parts"], run_id, run_texts.failure_text(failure))


async def cancel_parts(connection: Any, run_id: str, cancellation: Cancellation) -> None:
    """End the checks and creates of a Run that was canceled while a Worker prepared its AuthSession."""
    text = run_texts.cancellation_text(cancellation)
    await connection.execute(_SQL["cancel_parts"], run_id, text)


async def lose_attempts(connection: Any, run_id: str, failure: Failure) -> int:
    """End the Attempts of a locked Run whose Worker is gone; return how many were open."""
    return len(
        await connection.fetch(_SQL["lose_attempts"], run_id, run_texts.failure_text(failure))
    )


async def is_under_way(connection: Any, run_id: str, fence: int) -> bool:
    """True while the Attempt of that fence is open."""
    return await connection.fetchval(_SQL["is_under_way"], run_id, fence)


async def of_run(connection: Any, run_id: str) -> tuple[Attempt, ...]:
    """All Attempts of a Run, in order."""
    return tuple(_attempt(row) for row in await connection.fetch(_SQL["attempts"], run_id))


def _attempt(row: Any) -> Attempt:
    return Attempt(
        number=row["number"],
        status=AttemptStatus(row["status"]),
        failure=run_texts.failure(row["failure"]),
        started_at=row["started_at"],
        author_started_at=row["author_started_at"],
        ended_at=row["ended_at"],
    )
