"""JobRuns: queries, validation of their AuthSession, termination."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from runwright.adapters.queue import engine
from runwright.control.auth_sessions import session_operations
from runwright.control.base import queues
from runwright.control.base.platform import Platform
from runwright.control.deliveries import deliveries
from runwright.control.jobs import job_starts
from runwright.control.runs import endings, job_items
from runwright.domain.deliveries.deliveries import NotificationKind
from runwright.domain.ids import ProjectId
from runwright.domain.jobs.jobs import (
    Job,
    JobRun,
    JobRunReason,
    JobRunStatus,
)
from runwright.domain.retry import DONE, FollowUp, LookAgain
from runwright.domain.runs import Cancellation, RunStatus
from runwright.errors import CancelReason, NotFound, SessionInUse
from runwright.storage import (
    auth_sessions as session_rows,
    database,
    items as item_rows,
    job_runs as rows,
    runs as run_rows,
)
from runwright.storage.job_runs import JobRunRow, Reason

_SESSION_LOOK = LookAgain(timedelta(seconds=1))
_RESULTS_AT_ONCE = 200
_SWEEP_LIMIT = 1000


async def get(platform: Platform, project_id: ProjectId, job_id: str, job_run_id: str) -> JobRun:
    """Find a JobRun of a Job.

    Raises:
        NotFound: the Job has no such JobRun.
    """
    return job_items.opened(platform, await _row(platform, project_id, job_id, job_run_id))


async def list_page(
    platform: Platform,
    job: Job,
    *,
    order: Sequence[tuple[str, bool]],
    size: int,
    number: int,
) -> tuple[list[JobRun], int]:
    """A page of a Job's JobRuns, counted from 0, and their total number."""
    found, total = await rows.page(
        platform.database,
        job.project_id,
        job.id,
        since=job.created_at,
        order=order,
        limit=size,
        offset=size * number,
    )
    return [job_items.opened(platform, row) for row in found], total


async def terminate(
    platform: Platform, project_id: ProjectId, job_id: str, job_run_id: str
) -> JobRun:
    """End a JobRun immediately: waiting items are canceled, and running ones through their Worker.

    One that has ended stays as it is.

    Raises:
        NotFound: the Job has no such JobRun.
    """
    await _row(platform, project_id, job_id, job_run_id)
    async with platform.database.acquire() as connection, database.transaction(connection):
        await terminate_locked(platform, connection, job_run_id)
    return await get(platform, project_id, job_id, job_run_id)


async def terminate_locked(platform: Platform, connection: Any, job_run_id: str) -> None:
    """End a JobRun, if it is active, in the connection's transaction."""
    known = await rows.lock(connection, job_run_id)
    if known is None or not known.job_run.status.is_active:
        return
    if known.auth_session_id is not None:
        await session_rows.lock(connection, known.job_run.project_id, known.auth_session_id)
    message = "The job run was terminated on request."
    reason = Reason(type=JobRunReason.TERMINATED, message=message)
    await job_items.end(platform, connection, job_run_id, JobRunStatus.TERMINATED, reason)
    ended = await rows.lock(connection, job_run_id)
    cancellation = Cancellation(reason=CancelReason.JOB_RUN_TERMINATED, message=message)
    for run_id in await item_rows.fed(connection, job_run_id):
        item = await run_rows.lock(connection, run_id)
        if item is not None and not item.run.status.is_terminal:
            await endings.cancel(platform, connection, item, cancellation, ended)


async def look(platform: Platform, job_run_id: str) -> FollowUp:
    """Take a JobRun's next step; LookAgain when no signal will announce the one after."""
    async with platform.database.acquire() as connection, database.transaction(connection):
        row = await rows.lock(connection, job_run_id)
        if row is None:
            return DONE
        status = row.job_run.status
        if not row.is_session_good and status in (JobRunStatus.PENDING, JobRunStatus.RESUMING):
            return await _see_to_session(platform, connection, row)
        await job_items.advance(platform, connection, row)
        return DONE


async def results(platform: Platform, job_run_id: str) -> AsyncIterator[str]:
    """Yield the outcome of each ended item, in order, as a line of JSON."""
    after = 0
    while found := await item_rows.results(
        platform.database, job_run_id, after=after, limit=_RESULTS_AT_ONCE
    ):
        for position, row in found:
            after = position
            yield deliveries.api_info(row) + "\n"


async def redeliver(
    platform: Platform, project_id: ProjectId, job_id: str, job_run_id: str, url: str | None
) -> int:
    """Send all Deliveries of a JobRun whose tries all failed again; return their number.

    Raises:
        NotFound: the Job has no such JobRun.
        ValidationError: the address is invalid, or a Delivery goes to a bucket.
    """
    await _row(platform, project_id, job_id, job_run_id)
    failed = await item_rows.failed_deliveries(platform.database, job_run_id)
    for delivery_id in failed:
        await deliveries.send_again(platform, project_id, delivery_id, url)
    return len(failed)


async def requeue_lost(
    platform: Platform, after: tuple[datetime, str] | None
) -> tuple[list[str], tuple[datetime, str] | None]:
    """Queue JobRuns that have work to do but no queue entry, among a batch that follows the given one.

    Return their ids and the position to continue from; None when there are no more.
    """
    async with platform.database.acquire() as connection, database.transaction(connection):
        stuck = await rows.stuck(connection, after, _SWEEP_LIMIT)
        lost = await engine.without_entry(connection, [job_run_id for job_run_id, _ in stuck])
        await engine.enqueue(connection, *map(queues.job_run_entry, lost))
        following = (stuck[-1][1], stuck[-1][0]) if len(stuck) == _SWEEP_LIMIT else None
        return lost, following


async def _see_to_session(platform: Platform, connection: Any, row: JobRunRow) -> FollowUp:
    job_run = row.job_run
    assert row.auth_session_id is not None
    if row.waits_for is None:
        known = await session_rows.get(connection, job_run.project_id, row.auth_session_id)
        if known is None:
            await _refuse(
                platform, connection, row, job_starts.session_not_found(row.auth_session_id)
            )
            return DONE
        try:
            operation_id = await session_operations.validate_for_job(platform, connection, job_run)
        except SessionInUse:
            return _SESSION_LOOK
        await rows.wait_for(connection, job_run.id, operation_id)
        return DONE
    await _after_operation(platform, connection, row, row.waits_for)
    return DONE


async def _after_operation(
    platform: Platform, connection: Any, row: JobRunRow, operation_id: str
) -> None:
    """Start or resume the JobRun if the operation on its session has completed; wait if it has not ended."""
    operation = await run_rows.get(connection, operation_id)
    status = None if operation is None else operation.run.status
    if status is RunStatus.COMPLETED:
        good = await rows.stand(connection, row.job_run.id, JobRunStatus.PENDING)
        assert good is not None
        if row.job_run.status is JobRunStatus.PENDING:
            await job_items.notify(platform, connection, good, NotificationKind.JOB_RUN_STARTED)
        await job_items.advance(platform, connection, good)
    elif status is None or status.is_terminal:
        reason = _session_not_validated(str(row.auth_session_id), operation)
        await _refuse(platform, connection, row, reason)


async def _refuse(platform: Platform, connection: Any, row: JobRunRow, reason: Reason) -> None:
    """Cancel a JobRun that has not begun; pause again one that was about to resume."""
    if row.job_run.status is JobRunStatus.PENDING:
        await job_items.end(platform, connection, row.job_run.id, JobRunStatus.CANCELED, reason)
        return
    cancellation = Cancellation(
        reason=CancelReason.AUTH_SESSION_VALIDATE_DEPENDENCY_FAILED,
        message=reason.message,
        details=reason.details,
    )
    await job_items.pause_for_session(platform, connection, row, cancellation)


def _session_not_validated(session_id: str, operation: run_rows.RunRow | None) -> Reason:
    failure = None if operation is None else operation.run.failure
    message = f"The auth session `{session_id}` is not valid"
    details: dict[str, Any] = {}
    if failure is not None:
        message = f"{message}: {failure.message}"
        details = {"code": failure.code.value, "message": failure.message}
    return Reason(type=JobRunReason.SESSION_NOT_VALIDATED, message=message, details=details)


async def _row(
    platform: Platform, project_id: ProjectId, job_id: str, job_run_id: str
) -> JobRunRow:
    found = None if "\0" in job_run_id else await rows.get(platform.database, job_run_id)
    if found is None or (found.job_run.project_id, found.job_run.job_id) != (project_id, job_id):
        raise NotFound(f"There is no job run `{job_run_id[:64]}` of the job `{job_id[:128]}`.")
    return found
