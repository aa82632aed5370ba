"""What a Worker tells of Runs: claiming them, ending Attempts, giving back, finding lost ones.

Every write names the fence the Run was claimed under, so a Worker that was thought dead and is not
changes nothing any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from runwright.adapters import engine, signals
from runwright.control import auth_sessions, endings, queues, runs
from runwright.control.platform import Platform
from runwright.domain import failures, runs as domain
from runwright.domain.auth_sessions import AuthState
from runwright.domain.failures import Failure
from runwright.domain.ids import DeploymentId, ProjectId, RunId, WorkerId, WorkspaceId, new_run_id
from runwright.domain.runs import (
    AttemptStatus,
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
from runwright.storage import (
    auth_sessions as session_rows,
    database,
    projects as project_rows,
    runs as rows,
)

_SWEEP_LIMIT = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """The right to carry out one Attempt, as long as the fence holds.

    Of an operation: to carry it out. Of a Run with a session: to see to the session first;
    `begin` then gives the claim of the Attempt.
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
    """Of the project's variables, when this was claimed."""
    earlier: tuple[Failure, ...]
    """Failures of the Attempts before this one, in order."""
    has_followers: bool = False
    """Something follows from its end, in the same transaction."""
    waited_for: str | None = None
    """The operation that the Run was parked behind."""
    auth_state: AuthState | None = None
    """What its browser begins with."""
    generation: int = 0
    """Of the session, where the state is from."""
    secrets: tuple[str, ...] = ()
    """What no log line and no failure may show."""


async def claim(platform: Platform, run_id: str, worker_id: WorkerId) -> Claim | None:
    """Begin an Attempt of the Run; None when nothing is left to do for it.

    An Attempt still open belongs to a Worker that died: it is recorded as crashed and counts, and
    where none is left the Run fails here.
    """
    first = await rows.claim_first(platform.database, run_id, worker_id)
    if first is not None:
        return _claim(platform, first, earlier=())
    async with platform.database.acquire() as connection, database.transaction(connection):
        seen = await rows.get(connection, run_id)
        if seen is not None and seen.run.auth_session_id is not None:
            await session_rows.lock(connection, seen.run.project_id, seen.run.auth_session_id)
        row = await rows.lock(connection, run_id)
        if row is None:
            return None
        lost = failures.lost_worker(row.run.attempt)
        if row.session is not None:
            await rows.lose_parts(connection, run_id, lost)
        if row.run.status.is_terminal:
            return None
        await rows.lose_attempts(connection, run_id, lost)
        return await _claim_again(platform, connection, row, worker_id)


async def begin(platform: Platform, claim: Claim) -> Claim | None:
    """Begin an Attempt of a claimed Run whose session is good; None when the claim is lost."""
    number = await rows.begin_attempt(platform.database, claim.run_id, claim.fence)
    return None if number is None else replace(claim, attempt=number)


async def begin_part(
    platform: Platform, claim: Claim, kind: RunKind, plan: RunPlan
) -> Claim | None:
    """Begin a check or create for a claimed Run, with its first Attempt; None when the claim is lost."""
    part_id = new_run_id()
    is_held = await rows.begin_part(
        platform.database,
        part_id,
        (claim.run_id, claim.fence),
        kind,
        save_trace=plan.save_trace,
        request_timeout=plan.request_timeout,
        maximum_attempts=plan.maximum_attempts,
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


async def end(platform: Platform, claim: Claim, outcome: Outcome) -> timedelta | None:
    """End the Attempt and with it, or not, the Run; return when to look at it again, if at all."""
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
        return following.delay if is_held else None
    ending = _ending(following, outcome)
    if not claim.has_followers:
        await rows.finish(platform.database, claim.run_id, claim.fence, ending)
        return None
    async with platform.database.acquire() as connection, database.transaction(connection):
        await endings.finish(platform, connection, claim.run_id, claim.fence, ending)
    return None


async def give_back(platform: Platform, claim: Claim) -> bool:
    """Undo the claim: we interrupted the Attempt, and it does not count.

    False when another Worker has the Run by now; it is not ours to queue again then.
    """
    return await rows.give_back(platform.database, claim.run_id, claim.fence)


async def interrupted(platform: Platform, held: Sequence[Claim]) -> dict[str, bool]:
    """Return which held Runs must stop: True lost to another Worker, False asked to cancel."""
    return await rows.interrupted(platform.database, [(each.run_id, each.fence) for each in held])


async def add_log_lines(platform: Platform, claim: Claim, lines: Sequence[LogLine]) -> None:
    """Keep lines of the Attempt's log."""
    await rows.add_log_lines(platform.database, claim.run_id, claim.attempt, lines)


async def add_file(platform: Platform, claim: Claim, file: RunFile) -> None:
    """Put a stored file on the claimed Run, and wake who waits for it."""
    await add_file_of(platform, claim.run_id, file)


async def add_file_of(platform: Platform, run_id: RunId, file: RunFile) -> None:
    """Put a stored file on a Run, and wake who waits for it."""
    async with platform.database.acquire() as connection, database.transaction(connection):
        await rows.add_file(connection, run_id, file)
        await signals.send(connection, f"run:{run_id}")


async def requeue_lost(platform: Platform) -> list[RunId]:
    """Queue the unfinished Runs whose queue entry is gone; return which.

    There is no known way for that to happen but a database that went away in the one moment
    between the queue dropping an entry and taking it again; this makes it not matter.
    """
    async with platform.database.acquire() as connection, database.transaction(connection):
        unfinished = {
            run_id: (project_id, turn)
            for run_id, project_id, turn in await rows.unfinished(connection, _SWEEP_LIMIT)
        }
        lost = await engine.without_entry(connection, list(unfinished))
        for run_id in lost:
            project_id, turn = unfinished[RunId(run_id)]
            await engine.enqueue(connection, queues.entry(project_id, run_id, turn))
        return [RunId(run_id) for run_id in lost]


async def limits(platform: Platform) -> dict[ProjectId, int]:
    """Return how many Runs of each project may be carried out at once; 0 is no limit."""
    return await project_rows.limits(platform.database)


async def _claim_again(
    platform: Platform, connection: Any, row: rows.RunRow, worker_id: WorkerId
) -> Claim | None:
    run_id = row.run.id
    earlier = _failures(await rows.attempts(connection, run_id))
    crashes = earlier
    if row.session is not None:
        parts = await rows.parts(connection, run_id)
        crashes += tuple(part.failure for part in parts if part.failure is not None)
    ending = _ending_without_attempt(platform, row, earlier, crashes)
    if ending is not None:
        await endings.finish(platform, connection, run_id, row.fence, ending)
        return None
    if row.session is None:
        claimed = await rows.claim_next(connection, run_id, worker_id)
    else:
        claimed = await rows.claim_prepared(connection, run_id, worker_id)
    if claimed is None:
        return None
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
        attempt=row.run.attempt,
        plan=row.plan(proxy=proxy, session=auth_sessions.open_plan(platform, row)),
        variables_version=row.variables_version,
        earlier=earlier,
        has_followers=row.sealed_sink is not None,
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
) -> rows.Ending | None:
    """Return how a Run ends that gets no further Attempt, or None when it gets one.

    `earlier` are the failures of its own Attempts; `crashes` those of its checks and creates too.
    """
    if row.is_cancel_requested:
        cancellation = runs.cancelled_by_user()
        return rows.Ending(status=RunStatus.CANCELED, cancellation=cancellation)
    lost = tuple(failure for failure in crashes if failure.details.get("crashed") == "worker")
    is_hopeless = len(lost) >= platform.settings.max_crashes
    if earlier and (len(earlier) >= row.run.maximum_attempts or is_hopeless):
        return rows.Ending(status=RunStatus.FAILED, failure=failures.final_failure(earlier))
    if is_hopeless:
        return rows.Ending(status=RunStatus.FAILED, failure=failures.final_failure(lost))
    return None


def _ending(following: Completed | Failed | Canceled, outcome: Outcome) -> rows.Ending:
    if isinstance(following, Completed):
        return rows.Ending(
            status=RunStatus.COMPLETED,
            result=outcome.result,
            extended_payloads=outcome.extended_payloads,
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
        cancellation=following.cancellation,
        author_started_at=outcome.author_started_at,
        attributes=outcome.attributes,
    )
