"""What a Worker reports of the Runs it claimed: Attempts that begin and end, their logs and files; and Runs that were lost.

Every write names the fence of its claim.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from runwright.adapters import signals
from runwright.adapters.queue import engine
from runwright.control.base import queues
from runwright.control.base.platform import Platform
from runwright.control.runs import endings, job_items
from runwright.control.runs.claims import Claim
from runwright.domain import runs as domain
from runwright.domain.failures import Failure
from runwright.domain.ids import ProjectId, RunId, WorkerId, new_run_id
from runwright.domain.retry import DONE, FollowUp, LookAgain
from runwright.domain.runs import (
    Canceled,
    Completed,
    Failed,
    LogLine,
    Outcome,
    Retry,
    RunFile,
    RunKind,
    RunPlan,
    RunStatus,
)
from runwright.errors import CancelReason
from runwright.storage import (
    attempts as attempt_rows,
    auth_sessions as session_rows,
    database,
    projects as project_rows,
    run_outputs,
    runs as rows,
)
from runwright.storage.job_runs import JobRunRow

_SWEEP_LIMIT = 10_000


async def begin(platform: Platform, claim: Claim) -> Claim | None:
    """Begin an Attempt of a claimed Run whose session is valid; None when the claim is lost."""
    number = await attempt_rows.begin_attempt(platform.database, claim.run_id, claim.fence)
    return None if number is None else replace(claim, attempt=number)


async def begin_part(
    platform: Platform, claim: Claim, kind: RunKind, plan: RunPlan
) -> Claim | None:
    """Begin a check or create for a claimed Run with its first Attempt; None when the claim is lost."""
    part_id = new_run_id()
    is_held = await attempt_rows.begin_part(
        platform.database,
        part_id,
        (claim.run_id, claim.fence),
        kind,
        plan,
    )
    if not is_held:
        return None
    return replace(
        claim,
        run_id=part_id,
        parent_id=claim.run_id,
        kind=kind,
        fence=1,
        attempt=1,
        plan=plan,
        earlier=(),
        has_followers=False,
    )


async def again(
    platform: Platform, claim: Claim, worker_id: WorkerId, failure: Failure
) -> Claim | None:
    """Begin the next Attempt of a check or create; None when the claim is lost."""
    row = await rows.claim_next(platform.database, claim.run_id, worker_id)
    if row is None:
        return None
    return replace(
        claim, fence=row.fence, attempt=row.run.attempt, earlier=(*claim.earlier, failure)
    )


async def end(platform: Platform, claim: Claim, outcome: Outcome) -> FollowUp:
    """End the Attempt, and the Run unless another Attempt follows."""
    following = domain.after(
        outcome,
        earlier=claim.earlier,
        maximum_attempts=claim.plan.maximum_attempts,
        retry_delay=platform.settings.retry_delay,
    )
    if isinstance(following, Retry):
        is_held = await rows.retry(
            platform.database,
            claim.run_id,
            claim.fence,
            rows.Ending(
                status=RunStatus.FAILED,
                attempt_failure=following.failure,
                author_started_at=outcome.author_started_at,
                attributes=outcome.attributes,
            ),
        )
        return LookAgain(following.delay) if is_held else DONE
    has_own_session = claim.plan.session is not None and claim.plan.session.id == claim.run_id
    if not claim.has_followers and not has_own_session:
        await rows.finish(platform.database, claim.run_id, claim.fence, _ending(following, outcome))
        return DONE
    async with platform.database.acquire() as connection, database.transaction(connection):
        job_run = await job_items.lock(connection, claim.job_run_id)
        if has_own_session:
            # It is removed with its Run, and locked before it everywhere else.
            await session_rows.lock(connection, claim.project_id, claim.run_id)
        if job_run is None or not await _hold_back(platform, connection, claim, job_run, outcome):
            ending = _ending(following, outcome, job_run)
            await endings.finish(platform, connection, claim.run_id, claim.fence, ending, job_run)
    return DONE


async def add_log_lines(platform: Platform, claim: Claim, lines: Sequence[LogLine]) -> None:
    """Append lines to the Attempt's log."""
    await run_outputs.add_log_lines(platform.database, claim.run_id, claim.attempt, lines)


async def add_log_tail(
    platform: Platform,
    claim: Claim,
    lines: Sequence[LogLine],
    dropped: Sequence[int],
    marker: LogLine | None,
) -> list[int]:
    """Replace the tail of a log that is too long by its newest lines; return their ids."""
    return await run_outputs.add_log_tail(
        platform.database, claim.run_id, claim.attempt, lines, dropped, marker
    )


async def add_file(platform: Platform, claim: Claim, file: RunFile) -> None:
    """Attach a stored file to the claimed Run, and wake whoever waits for it."""
    await add_file_of(platform, claim.run_id, file)


async def add_file_of(platform: Platform, run_id: RunId, file: RunFile) -> None:
    """Attach a stored file to a Run, and wake whoever waits for it."""
    async with platform.database.acquire() as connection, database.transaction(connection):
        await run_outputs.add_file(connection, run_id, file)
        await signals.send(connection, f"run:{run_id}")


async def requeue_lost(platform: Platform, after: RunId | None) -> tuple[list[RunId], RunId | None]:
    """Queue unfinished Runs whose queue entry is missing, among a batch that follows the given Run.

    Return those Runs and where to continue, None at the end. The only known cause is a database that goes
    away between the queue dropping an entry and adding it again; the sweep makes that harmless.
    """
    async with platform.database.acquire() as connection, database.transaction(connection):
        found = await rows.unfinished(connection, after, _SWEEP_LIMIT)
        unfinished = {run_id: (project_id, turn) for run_id, project_id, turn in found}
        lost = await engine.without_entry(connection, list(unfinished))
        for run_id in lost:
            project_id, turn = unfinished[RunId(run_id)]
            await engine.enqueue(connection, queues.entry(project_id, run_id, turn))
        following = found[-1][0] if len(found) == _SWEEP_LIMIT else None
        return [RunId(run_id) for run_id in lost], following


async def limits(platform: Platform) -> dict[ProjectId, int]:
    """The number of Runs of each project that may run at once; 0 means no limit."""
    return await project_rows.limits(platform.database)


async def _hold_back(
    platform: Platform, connection: Any, claim: Claim, job_run: JobRunRow, outcome: Outcome
) -> bool:
    """Hold an item back and pause its JobRun if the session is invalid; True when that happened."""
    cancellation = outcome.cancellation
    if (
        cancellation is None
        or cancellation.reason is not CancelReason.AUTH_SESSION_VALIDATE_DEPENDENCY_FAILED
        or not job_run.job_run.status.is_active
    ):
        return False
    if await rows.hold_back(connection, claim.run_id, claim.fence):
        await job_items.pause_for_session(platform, connection, job_run, cancellation)
    return True


def _ending(
    following: Completed | Failed | Canceled, outcome: Outcome, job_run: JobRunRow | None = None
) -> rows.Ending:
    if isinstance(following, Completed):
        return rows.Ending(
            status=RunStatus.COMPLETED,
            result=outcome.result,
            extended_payloads=job_items.extend(job_run, outcome.extended_payloads),
            author_started_at=outcome.author_started_at,
            attributes=outcome.attributes,
        )
    if isinstance(following, Failed):
        return rows.Ending(
            status=RunStatus.FAILED,
            failure=following.failure,
            attempt_failure=outcome.failure,
            author_started_at=outcome.author_started_at,
            attributes=outcome.attributes,
        )
    return rows.Ending(
        status=RunStatus.CANCELED,
        cancellation=job_items.cancellation_for(job_run, following.cancellation),
        author_started_at=outcome.author_started_at,
        attributes=outcome.attributes,
    )
