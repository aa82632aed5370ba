"""Claims: a Worker's right to run a Run. Taking one, giving it back, losing it.

Every write names the fence under which the Run was claimed, so a Worker that was wrongly presumed dead can no
longer change anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from runwright.control.auth_sessions import sealed_sessions
from runwright.control.base.platform import Platform
from runwright.control.runs import endings, job_items, queue_limits, runs
from runwright.domain import failures, runs as domain
from runwright.domain.auth_sessions import AuthState
from runwright.domain.failures import Failure
from runwright.domain.ids import DeploymentId, JobRunId, ProjectId, RunId, WorkerId, WorkspaceId
from runwright.domain.retry import DONE, Done, FollowUp, LookAgain
from runwright.domain.runs import AttemptStatus, RunKind, RunPlan, RunStatus
from runwright.storage import (
    attempts as attempt_rows,
    auth_sessions as session_rows,
    database,
    platform as platform_rows,
    runs as rows,
)
from runwright.storage.job_runs import JobRunRow

_LOOK_AGAIN = LookAgain(timedelta(seconds=1))


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """The right to run one Attempt, as long as the fence holds.

    For a Run with a session, the right to prepare the session first; `attempts.begin` then returns the claim
    of the Attempt. For an operation, the right to run the operation.
    """

    run_id: RunId
    kind: RunKind
    parent_id: RunId | None
    workspace_id: WorkspaceId
    project_id: ProjectId
    deployment_id: DeploymentId
    fence: int
    attempt: int
    plan: RunPlan
    variables_version: int
    """The version of the project's variables at the time of the claim."""
    earlier: tuple[Failure, ...]
    """Failures of earlier Attempts, in order."""
    correlation_id: str | None = None
    """The ID of the request that started the Run."""
    trace_parent: str | None = None
    accepted_at: datetime | None = None
    has_followers: bool = False
    """Its end has consequences that belong to the same transaction."""
    job_run_id: JobRunId | None = None
    """The JobRun that it is an item of."""
    job_id: str | None = None
    waited_for: str | None = None
    """The operation that the Run was parked behind."""
    auth_state: AuthState | None = None
    """The state its browser starts with."""
    generation: int = 0
    """The generation of the session that the state comes from."""
    secrets: tuple[str, ...] = ()
    """Values that must not appear in a log line or a failure."""


async def take(platform: Platform, run_id: str, worker_id: WorkerId) -> Claim | FollowUp:
    """Begin an Attempt of the Run; Done when nothing is left to do for it.

    The Worker must not hold the Run already. An open Attempt of a dead Worker is recorded as crashed and
    counts; if it was the last one allowed, the Run fails here. While that Worker may still be alive, the answer
    is LookAgain. An open Attempt of the calling Worker is a claim whose response was lost, and does not count.
    """
    first = await rows.claim_first(platform.database, run_id, worker_id)
    if first is not None:
        return _claim(platform, first, earlier=())
    async with platform.database.acquire() as connection, database.transaction(connection):
        seen = await rows.get(connection, run_id)
        if seen is None:
            return DONE
        job_run = await job_items.lock(connection, seen.run.job_run_id)
        if seen.run.auth_session_id is not None:
            await session_rows.lock(connection, seen.run.project_id, seen.run.auth_session_id)
        row = await _free(platform, connection, run_id, worker_id)
        if isinstance(row, Done | LookAgain):
            return row
        lost = failures.lost_worker(row.run.attempt)
        if row.session is not None:
            await attempt_rows.lose_parts(connection, run_id, lost)
        if row.run.status.is_terminal:
            return DONE
        await attempt_rows.lose_attempts(connection, run_id, lost)
        return await _claim_again(platform, connection, row, worker_id, job_run)


async def give_back(platform: Platform, claim: Claim) -> bool:
    """Undo the claim: the platform interrupted the Attempt, so it does not count.

    False when another Worker has claimed the Run since: the caller must not queue it again then.
    """
    return await rows.give_back(platform.database, claim.run_id, claim.fence)


async def disown(platform: Platform, claim: Claim) -> None:
    """Release a claimed Run to any Worker; the Attempt in progress counts as lost."""
    await rows.disown(platform.database, claim.run_id, claim.fence)


async def interrupted(platform: Platform, held: Sequence[Claim]) -> dict[str, bool]:
    """The held Runs that must stop: True when another Worker has them, False when they are to be canceled."""
    return await rows.interrupted(platform.database, [(each.run_id, each.fence) for each in held])


async def _free(
    platform: Platform, connection: Any, run_id: str, asking: WorkerId
) -> rows.RunRow | FollowUp:
    """Lock a Run that no other Worker holds; LookAgain while one may still hold it."""
    row = await rows.lock(connection, run_id)
    if row is None or row.turn is None:
        # Removed, or held back by its JobRun: the entry is stale.
        return DONE
    if row.worker_id is None:
        return row
    if row.worker_id == asking:
        await rows.give_back(connection, run_id, row.fence)
        return await rows.lock(connection, run_id) or DONE
    silence = platform.settings.heartbeat_timeout
    is_gone = await platform_rows.is_gone(connection, row.worker_id, asking, silence)
    return row if is_gone else _LOOK_AGAIN


async def _claim_again(
    platform: Platform,
    connection: Any,
    row: rows.RunRow,
    worker_id: WorkerId,
    job_run: JobRunRow | None,
) -> Claim | Done:
    run_id = row.run.id
    earlier = _failures(await attempt_rows.of_run(connection, run_id))
    crashes = earlier
    if row.session is not None:
        parts = await attempt_rows.parts(connection, run_id)
        crashes += tuple(part.failure for part in parts if part.failure is not None)
    has_expired = row.expires_at is not None and row.has_expired(await database.now(connection))
    ending = _ending_without_attempt(platform, row, earlier, crashes, has_expired=has_expired)
    if ending is not None:
        if ending.cancellation is not None:
            reason = job_items.cancellation_for(job_run, ending.cancellation)
            ending = replace(ending, cancellation=reason)
        await endings.finish(platform, connection, run_id, row.fence, ending, job_run)
        return DONE
    if row.session is None:
        claimed = await rows.claim_next(connection, run_id, worker_id)
    else:
        claimed = await rows.claim_prepared(connection, run_id, worker_id)
    if claimed is None:
        return DONE
    claim = _claim(platform, claimed, earlier=earlier)
    return replace(claim, waited_for=row.waits_for)


def _claim(platform: Platform, row: rows.RunRow, *, earlier: tuple[Failure, ...]) -> Claim:
    proxy = None
    if row.sealed_proxy is not None:
        proxy = platform.vault.open(row.sealed_proxy, record=f"run:{row.run.id}").decode()
    return Claim(
        run_id=row.run.id,
        kind=row.run.kind,
        parent_id=row.run.parent_id,
        workspace_id=row.run.workspace_id,
        project_id=row.run.project_id,
        deployment_id=row.run.deployment_id,
        fence=row.fence,
        correlation_id=row.correlation_id,
        trace_parent=row.trace_parent,
        accepted_at=row.run.created_at,
        attempt=row.run.attempt,
        plan=row.plan(proxy=proxy, session=sealed_sessions.open_plan(platform, row)),
        variables_version=row.variables_version,
        earlier=earlier,
        has_followers=row.sealed_sink is not None or row.run.job_run_id is not None,
        job_run_id=row.run.job_run_id,
        job_id=row.job_id,
    )


def _failures(attempts: tuple[domain.Attempt, ...]) -> tuple[Failure, ...]:
    return tuple(
        attempt.failure
        for attempt in attempts
        if attempt.status is AttemptStatus.FAILED and attempt.failure is not None
    )


def _ending_without_attempt(
    platform: Platform,
    row: rows.RunRow,
    earlier: tuple[Failure, ...],
    crashes: tuple[Failure, ...],
    *,
    has_expired: bool,
) -> rows.Ending | None:
    """The ending of a Run that gets no further Attempt, or None when it gets one.

    `earlier` holds the failures of its own Attempts; `crashes` adds those of its checks and creates.
    """
    if row.is_cancel_requested:
        cancellation = runs.cancelled_by_user()
        return rows.Ending(status=RunStatus.CANCELED, cancellation=cancellation)
    if has_expired:
        return rows.Ending(status=RunStatus.CANCELED, cancellation=queue_limits.expired())
    lost = tuple(failure for failure in crashes if failure.details.get("crashed") == "worker")
    is_hopeless = len(lost) >= platform.settings.max_crashes
    if earlier and (len(earlier) >= row.run.maximum_attempts or is_hopeless):
        return rows.Ending(status=RunStatus.FAILED, failure=failures.final_failure(earlier))
    if is_hopeless:
        return rows.Ending(status=RunStatus.FAILED, failure=failures.final_failure(lost))
    return None
