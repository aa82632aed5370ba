"""What a Worker reports of AuthSessions: the outcome of checks and creates, and which Runs wait.

Runs share a session that is READY. Only an operation changes a session, one at a time; a Run that needs it is
parked behind the operation and holds neither a Runner nor a place in the queue.

Lock order: the session, then its Runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from runwright.control.auth_sessions import sealed_sessions, session_operations
from runwright.control.auth_sessions.sealed_sessions import Opened
from runwright.control.base.platform import Platform
from runwright.control.runs import endings
from runwright.control.runs.claims import Claim
from runwright.domain import auth_sessions as domain
from runwright.domain.auth_sessions import (
    AuthState,
    SessionOperation,
    SessionPlan,
    SessionStatus,
    SessionType,
)
from runwright.domain.failures import Failure
from runwright.domain.ids import RunId
from runwright.domain.runs import Cancellation, Outcome, RunStatus
from runwright.errors import CancelReason, Category, FailureCode
from runwright.storage import auth_sessions as rows, database, runs as run_rows
from runwright.storage.runs import Ending


class Mending(Enum):
    """What happens to a Run that needs its session repaired."""

    PARKED = auto()
    """It waits for an operation and gives up its claim."""
    CHANGED = auto()
    """The session has changed: look again."""
    IMPOSSIBLE = auto()
    """No operation may or can repair the session."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Waited:
    """The outcome of the operation that a Run was parked behind."""

    is_completed: bool
    failure: Failure | None
    """Set when the Run cannot succeed where the operation failed."""


async def waited(platform: Platform, claim: Claim) -> Waited | None:
    """The outcome of the operation that the Run was parked behind, if any."""
    if claim.waited_for is None:
        return None
    row = await run_rows.get(platform.database, RunId(claim.waited_for))
    if row is None or row.session is None:
        return None
    failure = row.run.failure
    if row.run.cancellation is not None:
        failure = _gone(row.run.cancellation.message)
    is_final = row.session.operation is not SessionOperation.UPDATE and row.session.auto_recreate
    return Waited(
        is_completed=row.run.status is RunStatus.COMPLETED, failure=failure if is_final else None
    )


async def mend(platform: Platform, claim: Claim, seen: Opened, plan: SessionPlan) -> Mending:
    """Park the Run behind the session's operation, and begin one if there is none.

    `seen` is the session as the Run found it, `plan` the operation to begin.
    """
    async with platform.database.acquire() as connection, database.transaction(connection):
        row = await rows.lock(connection, claim.project_id, seen.session.id)
        if row is None or _is_mended(row, seen):
            return Mending.CHANGED
        if not plan.is_check_due:
            await rows.expire(connection, claim.project_id, seen.session.id, seen.generation)
        operation = await run_rows.active_operation(connection, claim.project_id, seen.session.id)
        operation_id = None if operation is None else operation.run.id
        if operation_id is None:
            run = await run_rows.get(connection, claim.run_id)
            if run is None or not domain.can_recreate(row.session, plan):
                return Mending.IMPOSSIBLE
            operation_id = await session_operations.repair(platform, connection, run, plan)
        await run_rows.park(connection, claim.run_id, claim.fence, operation_id)
        return Mending.PARKED


async def note_passed(
    platform: Platform, claim: Claim, session_id: str, generation: int, state: AuthState | None
) -> None:
    """Record a check that passed, and store the state if the check changed it."""
    sealed = _sealed(platform, claim, session_id, state)
    await rows.note_passed(platform.database, claim.project_id, session_id, generation, sealed)


async def expire(platform: Platform, claim: Claim, session_id: str, generation: int) -> None:
    """Record that the session's state is no longer valid."""
    await rows.expire(platform.database, claim.project_id, session_id, generation)


async def save(platform: Platform, claim: Claim, state: AuthState) -> None:
    """Store the final state of a Run's browser, unless a create has replaced the session's state since."""
    assert claim.plan.session is not None
    session_id = claim.plan.session.id
    sealed = sealed_sessions.seal_state(platform, claim.project_id, session_id, state)
    await rows.save(platform.database, claim.project_id, session_id, claim.generation, sealed)


async def end_operation(
    platform: Platform, claim: Claim, ending: Ending, made: Mapping[str, Any] | None
) -> None:
    """End an operation in one transaction: its row, the session's new state, and the Runs that wait.

    `made` is the result of `made_of` for the state of a successful create.
    """
    assert claim.plan.session is not None
    async with platform.database.acquire() as connection, database.transaction(connection):
        await rows.lock(connection, claim.project_id, claim.plan.session.id)
        row = await run_rows.lock(connection, claim.run_id)
        if row is None or not await endings.finish(
            platform, connection, claim.run_id, claim.fence, ending
        ):
            return
        if ending.status is RunStatus.COMPLETED and made is not None:
            assert row.session is not None
            await rows.renew(connection, claim.project_id, row.session.id, **made)


def made_of(platform: Platform, claim: Claim, seen: Opened, state: AuthState) -> dict[str, Any]:
    """The sealed fields that a successful create writes to its session.

    Raises:
        TooLarge: the state is larger than allowed.
    """
    plan = claim.plan.session
    assert plan is not None
    session_id, project_id = seen.session.id, claim.project_id
    parameters = seen.parameters if plan.parameters is None else plan.parameters
    is_kept = seen.session.type is SessionType.CREDENTIALS
    is_new = plan.operation in (
        SessionOperation.CREATE,
        SessionOperation.UPDATE,
        SessionOperation.RECORD,
    )
    return {
        "sealed_state": sealed_sessions.seal_state(platform, project_id, session_id, state),
        "input_digest": sealed_sessions.digest(platform, project_id, parameters or {}),
        "sealed_parameters": sealed_sessions.seal_parameters(
            platform, project_id, session_id, parameters if is_kept else None
        ),
        "sealed_proxy": sealed_sessions.seal_proxy(
            platform, project_id, session_id, plan.proxy if is_new else None
        ),
    }


def refused(failure: Failure) -> Cancellation:
    """The cancellation of a Run whose session is invalid, with the reason."""
    return Cancellation(
        reason=CancelReason.AUTH_SESSION_VALIDATE_DEPENDENCY_FAILED,
        message=f"The run's auth session is invalid: {failure.message}",
        details={
            "code": failure.code.value,
            "category": failure.category.value,
            "message": failure.message,
            "retirable": failure.retryable,
            "details": failure.details,
        },
    )


def session_gone(session_id: str) -> Failure:
    """The failure of a Run whose session was removed before it began."""
    return _gone(f"The auth session `{session_id}` was removed before the run began.")


def session_unmade(session_id: str) -> Failure:
    """The failure of a Run whose session has no state because its create failed."""
    return _gone(
        f"The auth session `{session_id}` has no state because its create failed: create the session again."
    )


def ended(outcome: Outcome) -> Ending:
    """The ending of an operation."""
    status = RunStatus.COMPLETED
    if outcome.failure is not None:
        status = RunStatus.FAILED
    elif outcome.cancellation is not None:
        status = RunStatus.CANCELED
    return Ending(
        status=status,
        result=outcome.result,
        failure=outcome.failure,
        cancellation=outcome.cancellation,
    )


def _is_mended(row: rows.SessionRow, seen: Opened) -> bool:
    is_other = (row.generation, row.input_digest) != (seen.generation, seen.input_digest)
    return is_other and row.session.status is SessionStatus.READY


def _gone(message: str) -> Failure:
    return Failure(
        code=FailureCode.CHECK_ATTEMPTS_FAILED,
        category=Category.AUTH,
        message=message,
        retryable=False,
    )


def _sealed(
    platform: Platform, claim: Claim, session_id: str, state: AuthState | None
) -> bytes | None:
    if state is None:
        return None
    return sealed_sessions.seal_state(platform, claim.project_id, session_id, state)
