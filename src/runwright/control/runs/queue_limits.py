"""How many Runs of a project may wait, and for how long, by the installation's settings and the project's."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from runwright import db_errors, telemetry
from runwright.control.base.platform import Platform
from runwright.control.runs import endings
from runwright.domain.ids import ProjectId, RunId
from runwright.domain.projects import ProjectSettings
from runwright.domain.runs import Cancellation
from runwright.errors import CancelReason, RateLimited
from runwright.storage import auth_sessions as session_rows, database, runs as rows

log = telemetry.logger(__name__)

_EXPIRED_AT_ONCE = 200
_RETRY_AFTER_SECONDS = 10


async def check(
    platform: Platform, connection: Any, project_id: ProjectId, settings: ProjectSettings
) -> None:
    """Reject a Run when the project's queue is full.

    Concurrent requests do not see each other, so a few more may be accepted; in a queue longer than
    `queue_lengths.EXACT`, those of one second count as concurrent.

    Raises:
        RateLimited: the project's queue is full.
    """
    most = settings.max_queued_runs or platform.settings.max_queued_runs
    if not await platform.queue_lengths.has_room(connection, project_id, most):
        error = RateLimited(f"{most} runs of this project are waiting already: try again later.")
        error.retry_after = _RETRY_AFTER_SECONDS
        raise error


def patience(platform: Platform, settings: ProjectSettings) -> timedelta | None:
    """How long a Run may wait to begin; None means forever."""
    return settings.queue_time_to_live or platform.settings.queue_time_to_live or None


async def expire_due(platform: Platform) -> int:
    """Cancel the Runs that waited too long; return their number."""
    due = await rows.expired(platform.database, _EXPIRED_AT_ONCE)
    for run_id in due:
        try:
            async with platform.database.acquire() as connection, database.transaction(connection):
                await _expire(platform, connection, run_id)
        except Exception as error:
            if db_errors.is_to_wait_for(error):
                raise
            # A Run that cannot end does not block the others.
            log.exception("run not expired", event_name="run_not_expired", run_id=run_id)
    if due:
        log.warning("runs waited too long", event_name="runs_expired", count=len(due))
    return len(due)


async def _expire(platform: Platform, connection: Any, run_id: RunId) -> None:
    seen = await rows.get(connection, run_id)
    if seen is not None and seen.run.auth_session_id is not None:
        await session_rows.lock(connection, seen.run.project_id, seen.run.auth_session_id)
    held = await rows.lock(connection, run_id)
    if held is not None and held.has_expired(await database.now(connection)):
        await endings.cancel(platform, connection, held, expired())


def expired() -> Cancellation:
    """The cancellation of a Run that waited too long."""
    return Cancellation(
        reason=CancelReason.TERMINATED,
        message="The run waited in the queue longer than its time to live and never began.",
    )
