"""The one place where a Run turns terminal: with what follows from that, in one transaction."""

from __future__ import annotations

from typing import Any

from runwright.adapters import signals
from runwright.control import auth_sessions, deliveries
from runwright.control.platform import Platform
from runwright.domain.runs import Cancellation, RunKind, RunStatus
from runwright.storage import runs as rows
from runwright.storage.runs import Ending, RunRow


async def finish(
    platform: Platform, connection: Any, run_id: str, fence: int, ending: Ending
) -> bool:
    """Turn a claimed Run terminal under its fence; return whether the fence still held."""
    row = await rows.finish(connection, run_id, fence, ending)
    if row is None:
        return False
    await follow(platform, connection, row)
    return True


async def cancel_pending(
    platform: Platform, connection: Any, run_id: str, cancellation: Cancellation
) -> bool:
    """Cancel a Run that no Worker has begun; return whether there was one."""
    row = await rows.cancel_pending(connection, run_id, cancellation)
    if row is None:
        return False
    await signals.send(connection, f"run:{run_id}")
    if row.run.auth_session_id == row.run.id:
        # Its session was for it alone, and so is what makes it.
        await auth_sessions.cancel_operation(connection, row.run.project_id, row.run.id)
    await follow(platform, connection, row)
    return True


async def follow(platform: Platform, connection: Any, row: RunRow) -> None:
    """Do what follows from the end of a Run: whoever waits for it, and where its outcome goes."""
    if row.run.kind is RunKind.OPERATION:
        is_completed = row.run.status is RunStatus.COMPLETED
        await auth_sessions.after_operation(connection, row, is_completed=is_completed)
    if row.sealed_sink is not None:
        sink = deliveries.unseal(platform, f"run-sink:{row.run.id}", row.sealed_sink)
        await deliveries.accept(platform, connection, row.run, sink)
