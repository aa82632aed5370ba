"""Queue entries of Runs and JobRuns: their queue and their place in it."""

from __future__ import annotations

from datetime import timedelta

from runwright.adapters.queue import engine
from runwright.domain.ids import ProjectId, new_run_id

JOB_RUNS = "job-run"
_MAX_PRIORITY = 2_000_000_000


def queue_name(project_id: ProjectId) -> str:
    """The name of a project's queue."""
    return f"run:{project_id}"


def entry(
    project_id: ProjectId, run_id: str, turn: int | None, *, delay: timedelta | None = None
) -> engine.Entry:
    """The queue entry of a Run; lower turns go first."""
    priority = -min(turn or 0, _MAX_PRIORITY)
    return engine.Entry(queue=queue_name(project_id), id=run_id, priority=priority, delay=delay)


def entry_after_waiting(
    project_id: ProjectId, run_id: str, turn: int | None, fence: int
) -> engine.Entry:
    """The entry of a Run whose wait is over.

    Its previous entry may not be gone yet, so this one has a key of its own.
    """
    priority = -min(turn or 0, _MAX_PRIORITY)
    return engine.Entry(
        queue=queue_name(project_id), id=run_id, priority=priority, key=f"{run_id}.{fence}"
    )


def job_run_entry(job_run_id: str) -> engine.Entry:
    """An entry that makes a Worker look at a JobRun; looking is idempotent."""
    return engine.Entry(queue=JOB_RUNS, id=job_run_id, key=f"{job_run_id}.{new_run_id()}")
