"""The only place where a Run becomes terminal, with everything that follows, in one transaction."""

from __future__ import annotations

from typing import Any

from runwright.adapters import signals
from runwright.adapters.queue import engine
from runwright.control.auth_sessions import session_operations
from runwright.control.base import queues
from runwright.control.base.platform import Platform
from runwright.control.deliveries import deliveries, sealed_sinks
from runwright.control.deliveries.sealed_sinks import Owner
from runwright.control.runs import job_items
from runwright.domain.runs import Cancellation, RunKind, RunStatus
from runwright.storage import attempts as attempt_rows, runs as rows
from runwright.storage.job_runs import JobRunRow
from runwright.storage.runs import Ending, RunRow


async def finish(
    platform: Platform,
    connection: Any,
    run_id: str,
    fence: int,
    ending: Ending,
    job_run: JobRunRow | None = None,
) -> bool:
    """End a claimed Run under its fence; True when the fence still held.

    `job_run` is the JobRun that the Run is an item of; the caller has locked it.
    """
    row = await rows.finish(connection, run_id, fence, ending)
    if row is None:
        return False
    await follow(platform, connection, row, job_run)
    return True


async def cancel(
    platform: Platform,
    connection: Any,
    row: RunRow,
    cancellation: Cancellation,
    job_run: JobRunRow | None = None,
) -> None:
    """Cancel a Run: at once when no Worker holds it, otherwise through its Worker.

    The caller has locked its JobRun and its session.
    """
    run = row.run
    canceled = await rows.cancel_pending(connection, run.id, cancellation)
    if canceled is not None:
        await signals.send(connection, f"run:{run.id}")
        if run.auth_session_id == run.id:
            # Its session is its own, and so is the operation that creates it.
            await session_operations.cancel_operation(connection, run.project_id, run.id)
        await follow(platform, connection, canceled, job_run)
    elif row.turn is None:
        ending = Ending(status=RunStatus.CANCELED, cancellation=cancellation)
        await finish(platform, connection, run.id, row.fence, ending, job_run)
    elif await rows.request_cancel(connection, run.id):
        await signals.send(connection, "interrupted")
        if row.waits_for is not None:
            # No Worker holds it: the next one to look ends it.
            again = queues.entry_after_waiting(run.project_id, run.id, row.turn, row.fence)
            await engine.enqueue(connection, again)


async def follow(
    platform: Platform, connection: Any, row: RunRow, job_run: JobRunRow | None = None
) -> None:
    """Apply the consequences of a Run's end: its parts, Runs that wait for it, its Delivery."""
    if row.run.auth_session_id is not None and row.run.cancellation is not None:
        # The Worker that prepares its session learns that it has lost the Run, or is dead.
        await attempt_rows.cancel_parts(connection, row.run.id, row.run.cancellation)
    if row.run.kind is RunKind.OPERATION:
        is_completed = row.run.status is RunStatus.COMPLETED
        await session_operations.after_operation(connection, row, is_completed=is_completed)
    if job_run is not None:
        await job_items.follow(platform, connection, job_run, row)
    if row.sealed_sink is not None:
        sink = sealed_sinks.unseal(platform, Owner.RUN, row.run.id, row.sealed_sink)
        await deliveries.accept(platform, connection, row.run, sink)
