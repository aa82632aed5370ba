"""The queue entries of Runs: which queue, which place in it."""

from __future__ import annotations

from datetime import timedelta

from runwright.adapters import engine
from runwright.domain.ids import ProjectId

_MAX_PRIORITY = 2_000_000_000


def queue_name(project_id: ProjectId) -> str:
    """Return the name of a project's queue."""
    return f"run:{project_id}"


def entry(
    project_id: ProjectId, run_id: str, turn: int, *, delay: timedelta | None = None
) -> engine.Entry:
    """Return the queue entry of a Run: an earlier turn goes first."""
    priority = -min(turn, _MAX_PRIORITY)
    return engine.Entry(queue=queue_name(project_id), id=run_id, priority=priority, delay=delay)


def entry_after_waiting(project_id: ProjectId, run_id: str, turn: int, fence: int) -> engine.Entry:
    """Return the entry of a Run whose wait is over.

    The one before may still be on its way out, so this one has a key of its own.
    """
    priority = -min(turn, _MAX_PRIORITY)
    return engine.Entry(
        queue=queue_name(project_id), id=run_id, priority=priority, key=f"{run_id}.{fence}"
    )
