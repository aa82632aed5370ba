"""AuthSessions on a Worker: a good one before each Run, and the operations that create and repair them.

A Run itself only checks. If its check fails, it is parked behind the AuthSession's single operation, which
is its own queue entry; so the Run holds nothing meanwhile, and a Worker that dies leaves no lock behind.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

from runwright import telemetry
from runwright.control.auth_sessions import sealed_sessions
from runwright.control.auth_sessions.sealed_sessions import Opened
from runwright.control.base.platform import Platform
from runwright.control.runs import runs, session_claims
from runwright.control.runs.claims import Claim
from runwright.control.runs.session_claims import Mending
from runwright.db_retry import patiently
from runwright.domain import auth_sessions as domain
from runwright.domain.auth_sessions import (
    AuthState,
    SessionOperation,
    SessionPlan,
    SessionType,
    Step,
)
from runwright.domain.failures import Failure
from runwright.domain.runs import Cancellation, Outcome
from runwright.errors import CancelReason, Category, FailureCode, TooLarge
from runwright.execution.attempts.running_attempt import Interruption, RunningAttempt
from runwright.execution.flows.session_steps import (
    Interrupted,
    NotPassed,
    Passed,
    SessionSteps,
    secrets,
)
from runwright.storage import database

log = telemetry.logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Signed:
    """The AuthSession is good; the claim to execute the Run with."""

    claim: Claim


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """The AuthSession is not good and cannot be repaired."""

    cancellation: Cancellation


class Parked:
    """The Run waits for an operation and no longer belongs to this Worker."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Made:
    """A new state that has passed its check."""

    state: AuthState


class AuthFlow:
    """Handles the AuthSessions of all Runs on one Worker."""

    def __init__(self, platform: Platform, steps: SessionSteps) -> None:
        self._platform = platform
        self._steps = steps

    async def prepare(self, running: RunningAttempt) -> Signed | Refused | Parked:
        """Make sure that the AuthSession of a claimed Run is good.

        Raises:
            Interrupted: the Attempt was interrupted meanwhile.
        """
        claim = running.claim
        plan = claim.plan.session
        assert plan is not None
        waited = await session_claims.waited(self._platform, claim)
        if waited is not None and waited.failure is not None:
            return Refused(cancellation=session_claims.refused(waited.failure))
        was_mended = waited is not None and waited.is_completed
        while True:
            opened = await sealed_sessions.open_session(self._platform, claim.project_id, plan.id)
            if opened is None:
                return _refused(session_claims.session_gone(plan.id))
            match await self._next(claim, plan, opened, was_mended=was_mended):
                case Step.USE:
                    return _signed(claim, opened, opened.state or {})
                case Step.CHECK:
                    found = await self._check(running, opened, plan)
                case Step.MEND:
                    found = await self._mend(claim, opened, plan, None)
            if found is not None:
                return found
            was_mended = False

    async def operate(self, running: RunningAttempt) -> None:
        """Execute an operation to its end.

        Raises:
            Interrupted: the Attempt was interrupted; the caller gives the operation back.
        """
        claim = running.claim
        plan = claim.plan.session
        assert plan is not None
        opened = await sealed_sessions.open_session(self._platform, claim.project_id, plan.id)
        if opened is None:
            outcome = Outcome(cancellation=_removed(plan.id))
            await self._end(claim, outcome, None)
            return
        try:
            found = await self._operate(running, opened, plan)
            made = None
            if isinstance(found, _Made):
                made = session_claims.made_of(self._platform, claim, opened, found.state)
        except Interrupted:
            if running.interruption is not Interruption.CANCELED:
                raise
            is_there = await sealed_sessions.open_session(self._platform, claim.project_id, plan.id)
            cancellation = runs.cancelled_by_user() if is_there else _removed(plan.id)
            await self._end(claim, Outcome(cancellation=cancellation), None)
            return
        except TooLarge as error:
            found, made = _too_large(error), None
        outcome = (
            Outcome(failure=found)
            if isinstance(found, Failure)
            else Outcome(result=json.dumps({"authSessionId": plan.id}))
        )
        await self._end(claim, outcome, made)

    async def _next(
        self, claim: Claim, plan: SessionPlan, opened: Opened, *, was_mended: bool
    ) -> Step:
        has_same_input = opened.session.type is not SessionType.RUNTIME or (
            plan.parameters is None
            or sealed_sessions.is_digest(
                self._platform, claim.project_id, plan.parameters, opened.input_digest
            )
        )
        return domain.next_step(
            opened.session,
            plan,
            has_same_input=has_same_input,
            is_retry=bool(claim.earlier),
            was_mended=was_mended,
            now=await database.now(self._platform.database),
        )

    async def _check(
        self, running: RunningAttempt, opened: Opened, plan: SessionPlan
    ) -> Signed | Refused | Parked | None:
        claim = running.claim
        if opened.state is None:
            failures: tuple[Failure, ...] = (session_claims.session_unmade(plan.id),)
        else:
            checked = await self._steps.check(running, opened, plan, opened.state)
            if isinstance(checked, Passed):
                await self._note_passed(claim, opened, checked)
                return _signed(claim, opened, checked.state)
            failures = checked.failures
        return await self._mend(claim, opened, plan, domain.check_failed(failures))

    async def _mend(
        self, claim: Claim, opened: Opened, plan: SessionPlan, failed: Failure | None
    ) -> Refused | Parked | None:
        """Park the Run behind the AuthSession's operation; None when the AuthSession has changed meanwhile."""
        wanted = dataclasses.replace(
            plan, operation=SessionOperation.REPAIR, is_check_due=failed is None
        )
        match await session_claims.mend(self._platform, claim, opened, wanted):
            case Mending.PARKED:
                return Parked()
            case Mending.CHANGED:
                return None
            case Mending.IMPOSSIBLE:
                return _refused(failed or session_claims.session_unmade(plan.id))

    async def _operate(
        self, running: RunningAttempt, opened: Opened, plan: SessionPlan
    ) -> _Made | Failure | None:
        """Execute the operation; None when the existing state passed its check."""
        if plan.operation is SessionOperation.RECORD:
            return await self._record(running, opened, plan)
        is_renewal = plan.operation in (SessionOperation.CREATE, SessionOperation.UPDATE)
        if (
            not is_renewal
            and opened.state is not None
            and plan.is_check_due
            and self._fits(running, opened, plan)
        ):
            checked = await self._steps.check(running, opened, plan, opened.state)
            if isinstance(checked, Passed):
                await self._note_passed(running.claim, opened, checked)
                return None
            failed = domain.check_failed(checked.failures)
            if not domain.can_recreate(opened.session, plan):
                await session_claims.expire(
                    self._platform, running.claim, plan.id, opened.generation
                )
                return failed
        elif not is_renewal and not domain.can_recreate(opened.session, plan):
            return session_claims.session_unmade(plan.id)
        made = await self._create(running, opened, plan)
        if isinstance(made, Failure) and not is_renewal:
            await session_claims.expire(self._platform, running.claim, plan.id, opened.generation)
        return made

    def _fits(self, running: RunningAttempt, opened: Opened, plan: SessionPlan) -> bool:
        """True when the state was created from the operation's own parameters."""
        if opened.session.type is not SessionType.RUNTIME or plan.parameters is None:
            return True
        return sealed_sessions.is_digest(
            self._platform, running.claim.project_id, plan.parameters, opened.input_digest
        )

    async def _create(
        self, running: RunningAttempt, opened: Opened, plan: SessionPlan
    ) -> _Made | Failure:
        """Create and check, repeating as often as the plan allows."""
        left = plan.create_attempts
        while True:
            created = await self._steps.create(running, opened, plan, left)
            if isinstance(created, NotPassed):
                return domain.create_failed(created.failures)
            left -= created.attempts
            checked = await self._steps.check(running, opened, plan, created.state)
            if isinstance(checked, Passed):
                return _Made(state=checked.state)
            if left <= 0:
                return domain.post_create_check_failed(checked.failures)

    async def _record(
        self, running: RunningAttempt, opened: Opened, plan: SessionPlan
    ) -> _Made | Failure:
        """Let a person sign in, then check the result."""
        recorded = await self._steps.record(running, opened, plan)
        if isinstance(recorded, NotPassed):
            return recorded.failures[-1]
        checked = await self._steps.check(running, opened, plan, recorded.state)
        if isinstance(checked, Passed):
            return _Made(state=checked.state)
        return domain.post_create_check_failed(checked.failures)

    async def _note_passed(self, claim: Claim, opened: Opened, passed: Passed) -> None:
        state = passed.state if passed.is_new else None
        try:
            await session_claims.note_passed(
                self._platform, claim, opened.session.id, opened.generation, state
            )
        except TooLarge as error:
            log.warning(
                "auth state not saved",
                event_name="auth_state_too_large",
                run_id=claim.run_id,
                error=error.message,
            )

    async def _end(self, claim: Claim, outcome: Outcome, made: dict[str, object] | None) -> None:
        ending = session_claims.ended(outcome)
        await patiently(lambda: session_claims.end_operation(self._platform, claim, ending, made))
        log.info(
            "operation ended",
            event_name="operation_ended",
            run_id=claim.run_id,
            operation=claim.plan.api,
            status=ending.status.value,
            failure=None if outcome.failure is None else outcome.failure.code.value,
        )


def _signed(claim: Claim, opened: Opened, state: AuthState) -> Signed:
    plan = claim.plan.session
    assert plan is not None
    proxy = claim.plan.proxy or plan.proxy or opened.proxy
    run_plan = dataclasses.replace(claim.plan, proxy=proxy)
    return Signed(
        claim=dataclasses.replace(
            claim,
            plan=run_plan,
            auth_state=state,
            generation=opened.generation,
            secrets=secrets(run_plan, opened, state),
        )
    )


def _refused(failure: Failure) -> Refused:
    return Refused(cancellation=session_claims.refused(failure))


def _removed(session_id: str) -> Cancellation:
    message = f"The auth session `{session_id}` was removed."
    return Cancellation(reason=CancelReason.TERMINATED, message=message)


def _too_large(error: TooLarge) -> Failure:
    return Failure(
        code=FailureCode.CREATE_ATTEMPTS_FAILED,
        category=Category.AUTH,
        message=error.message,
        retryable=False,
    )
