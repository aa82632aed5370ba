"""Carries out a Run that the queue says to look at: claim, session, one Attempt, what follows."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

from runwright import telemetry
from runwright.control import attempts, runs, session_work
from runwright.control.attempts import Claim
from runwright.control.platform import Platform
from runwright.domain.ids import WorkerId
from runwright.domain.runs import Outcome, RunKind
from runwright.errors import TooLarge
from runwright.execution.attempt import Hold, Interruption
from runwright.execution.auth_flow import AuthFlow, Parked, Refused
from runwright.execution.carrier import Carrier, patiently
from runwright.execution.session_steps import Interrupted, SessionSteps

log = telemetry.logger(__name__)


class RunFlow:
    """The flow of every Run on one Worker, and the Attempts it holds now."""

    def __init__(self, platform: Platform, worker_id: WorkerId, carrier: Carrier) -> None:
        self._platform = platform
        self._worker_id = worker_id
        self._carrier = carrier
        self._sessions = AuthFlow(platform, SessionSteps(platform, worker_id, carrier))
        self.held: dict[str, Hold] = {}
        """By run id: what this Worker carries out now."""
        self.is_draining = False

    async def look(self, run_id: str) -> timedelta | None:
        """Carry out the next Attempt of the Run, or its operation; return when to look again."""
        if self.is_draining:
            return timedelta(0)
        claim = await attempts.claim(self._platform, run_id, self._worker_id)
        if claim is None:
            return None
        hold = Hold(claim=claim)
        self.held[run_id] = hold
        try:
            return await self._carry_out(hold)
        finally:
            if self.held.get(run_id) is hold:
                del self.held[run_id]

    async def interrupt_asked(self) -> None:
        """Interrupt what was asked to cancel, or belongs to another Worker by now."""
        held = list(self.held.values())
        if not held:
            return
        found = await attempts.interrupted(self._platform, [hold.claim for hold in held])
        for run_id, is_lost in found.items():
            if (hold := self.held.get(run_id)) is not None:
                hold.interrupt(Interruption.LOST if is_lost else Interruption.CANCELED)

    def drain(self) -> None:
        """Begin nothing more; what runs gets its grace period, then goes back to the queue."""
        self.is_draining = True
        for hold in self.held.values():
            hold.interrupt(Interruption.DRAINING)

    async def _carry_out(self, hold: Hold) -> timedelta | None:
        try:
            if hold.claim.kind is RunKind.OPERATION:
                await self._sessions.operate(hold)
                return None
            if hold.claim.plan.session is None:
                outcome = await self._carrier.carry_out(hold)
            else:
                outcome = await self._signed_in(hold)
        except Interrupted:
            outcome = Outcome()
        return None if outcome is None else await self._conclude(hold, outcome)

    async def _signed_in(self, hold: Hold) -> Outcome | None:
        """Carry out a Run once its session is good; None when it is no longer this Worker's."""
        prepared = await self._sessions.prepare(hold)
        if isinstance(prepared, Parked):
            return None
        if isinstance(prepared, Refused):
            return Outcome(cancellation=prepared.cancellation)
        begun = await attempts.begin(self._platform, prepared.claim)
        if begun is None:
            return None
        hold.claim = begun
        return await self._carrier.carry_out(hold)

    async def _conclude(self, hold: Hold, outcome: Outcome) -> timedelta | None:
        claim = hold.claim
        is_unfinished = outcome.result is None and outcome.cancellation is None
        if hold.interruption is Interruption.LOST:
            return None
        if hold.interruption is Interruption.DRAINING and is_unfinished:
            is_ours = await patiently(lambda: attempts.give_back(self._platform, claim))
            return timedelta(0) if is_ours else None
        if hold.interruption is Interruption.CANCELED and is_unfinished:
            outcome = dataclasses.replace(
                outcome, failure=None, cancellation=runs.cancelled_by_user()
            )
        await self._save_state(claim, outcome)
        again = await patiently(lambda: attempts.end(self._platform, claim, outcome))
        _log_end(claim, outcome, again)
        return again

    async def _save_state(self, claim: Claim, outcome: Outcome) -> None:
        """Keep what the browser ended with, before anyone hears that the Run has ended."""
        state = outcome.auth_state
        if state is None or outcome.result is None or not self._platform.settings.save_auth_state:
            return
        try:
            await patiently(lambda: session_work.save(self._platform, claim, state))
        except TooLarge as error:
            log.warning(
                "auth state not saved",
                event_name="auth_state_too_large",
                run_id=claim.run_id,
                error=error.message,
            )


def _log_end(claim: Claim, outcome: Outcome, again: timedelta | None) -> None:
    log.info(
        "attempt ended",
        event_name="attempt_ended",
        run_id=claim.run_id,
        api=claim.plan.api,
        attempt=claim.attempt,
        failure=None if outcome.failure is None else outcome.failure.code.value,
        is_retried=again is not None,
    )
