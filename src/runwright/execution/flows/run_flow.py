"""Handles a Run's queue entry: claim it, prepare its AuthSession, execute one Attempt, decide what follows."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from runwright import db_errors, telemetry, tracing
from runwright.control.base import admission
from runwright.control.base.platform import Platform
from runwright.control.runs import attempts, claims, runs, session_claims
from runwright.control.runs.claims import Claim
from runwright.db_retry import patiently
from runwright.domain.ids import WorkerId
from runwright.domain.retry import AT_ONCE, DONE, FollowUp, LookAgain
from runwright.domain.runs import Outcome, RunKind
from runwright.errors import BlobsAway, TooLarge
from runwright.execution.attempts import attempt_failures
from runwright.execution.attempts.attempt_executor import AttemptExecutor
from runwright.execution.attempts.running_attempt import Interruption, RunningAttempt
from runwright.execution.flows.auth_flow import AuthFlow, Parked, Refused
from runwright.execution.flows.session_steps import Interrupted, SessionSteps

log = telemetry.logger(__name__)

_LOOK_AGAIN = LookAgain(timedelta(seconds=1))
_ROOM_LOOKS = 20
_ROOM_LOOK_SECONDS = 0.25


class RunFlow:
    """Handles all Runs on one Worker, and tracks the Attempts it holds."""

    def __init__(self, platform: Platform, worker_id: WorkerId, executor: AttemptExecutor) -> None:
        self._platform = platform
        self._worker_id = worker_id
        self._executor = executor
        self._sessions = AuthFlow(platform, SessionSteps(platform, worker_id, executor))
        self.held: dict[str, RunningAttempt] = {}
        """The Attempts that this Worker executes now, by Run id."""
        self._handling: set[str] = set()
        self.is_draining = False
        self.shortages: list[admission.Shortage] = []
        """What kept this Worker from starting anything new when it last checked."""

    async def handle(self, run_id: str) -> FollowUp:
        """Execute the next Attempt of the Run, or its operation."""
        if self.is_draining:
            return AT_ONCE
        if run_id in self._handling:
            # Its entry was handed out twice: another Worker had it in between and gave it back.
            return _LOOK_AGAIN
        self._handling.add(run_id)
        try:
            if not await self._find_room():
                return AT_ONCE
            return await self._claim_and_execute(run_id)
        finally:
            self._handling.discard(run_id)

    async def _find_room(self) -> bool:
        """Wait a while for disk space and memory; False when another Worker should take the Run."""
        for _ in range(_ROOM_LOOKS):
            short = admission.shortages(self._platform.settings)
            if short != self.shortages:
                log.warning(
                    "low on resources, starting nothing new"
                    if short
                    else "resources available again",
                    event_name="room_short" if short else "room_found",
                    short=[each.value for each in short],
                )
                self.shortages = short
            if not short:
                return True
            await asyncio.sleep(_ROOM_LOOK_SECONDS)
            if self.is_draining:
                return False
        return False

    async def _claim_and_execute(self, run_id: str) -> FollowUp:
        claim = await patiently(lambda: claims.take(self._platform, run_id, self._worker_id))
        if not isinstance(claim, Claim):
            return claim
        running = RunningAttempt(claim=claim)
        self.held[run_id] = running
        context = {"run_id": run_id, "correlation_id": claim.correlation_id}
        try:
            with telemetry.bound(**context), _traced(claim):
                return await self._execute(running)
        finally:
            running.screen.close()
            if self.held.get(run_id) is running:
                del self.held[run_id]

    async def interrupt_canceled_or_lost(self) -> None:
        """Interrupt Attempts that were canceled or belong to another Worker by now."""
        held = list(self.held.values())
        if not held:
            return
        found = await claims.interrupted(self._platform, [running.claim for running in held])
        for run_id, is_lost in found.items():
            if (running := self.held.get(run_id)) is not None:
                running.interrupt(Interruption.LOST if is_lost else Interruption.CANCELED)

    def drain(self) -> None:
        """Start nothing more; running Attempts get their grace period, then go back to the queue."""
        self.is_draining = True
        for running in self.held.values():
            running.interrupt(Interruption.DRAINING)

    async def _execute(self, running: RunningAttempt) -> FollowUp:
        try:
            await self._executor.fetch(running.claim.deployment_id)
            if running.claim.kind is RunKind.OPERATION:
                await self._sessions.operate(running)
                return DONE
            if running.claim.plan.session is None:
                outcome = await self._executor.execute(running)
            else:
                outcome = await self._signed_in(running)
        except Interrupted:
            outcome = Outcome()
        except BlobsAway as error:
            log.warning(
                "run waits", event_name="run_waits", run_id=running.claim.run_id, error=str(error)
            )
            return await self._give_back(
                running.claim, LookAgain(timedelta(seconds=error.retry_after))
            )
        except Exception as error:
            if db_errors.is_to_wait_for(error):
                return await self._give_back(running.claim)
            await self._disown(running.claim)
            raise
        return DONE if outcome is None else await self._conclude(running, outcome)

    async def _give_back(self, claim: Claim, again: LookAgain = AT_ONCE) -> FollowUp:
        """Undo the claim, and keep the queue entry if the Run was still ours."""
        is_ours = await patiently(lambda: claims.give_back(self._platform, claim))
        return again if is_ours else DONE

    async def _disown(self, claim: Claim) -> None:
        try:
            await claims.disown(self._platform, claim)
        except Exception:
            log.exception("run not disowned", event_name="run_not_disowned", run_id=claim.run_id)

    async def _signed_in(self, running: RunningAttempt) -> Outcome | None:
        """Execute a Run once its AuthSession is good; None when the Run no longer belongs to this Worker."""
        prepared = await self._sessions.prepare(running)
        if isinstance(prepared, Parked):
            return None
        if isinstance(prepared, Refused):
            return Outcome(cancellation=prepared.cancellation)
        begun = await attempts.begin(self._platform, prepared.claim)
        if begun is None:
            return None
        running.claim = begun
        return await self._executor.execute(running)

    async def _conclude(self, running: RunningAttempt, outcome: Outcome) -> FollowUp:
        claim = running.claim
        is_unfinished = outcome.result is None and outcome.cancellation is None
        if running.interruption is Interruption.LOST:
            return DONE
        if running.interruption is Interruption.DRAINING and is_unfinished:
            return await self._give_back(claim)
        if running.interruption is Interruption.CANCELED and is_unfinished:
            outcome = dataclasses.replace(
                outcome, failure=None, cancellation=runs.cancelled_by_user()
            )
        await self._save_state(claim, outcome)
        try:
            following = await patiently(lambda: attempts.end(self._platform, claim, outcome))
        except Exception as error:
            # It must end all the same: an open claim would be taken again, and the author's code run again.
            log.exception("outcome not stored", event_name="end_not_kept", run_id=claim.run_id)
            outcome = Outcome(failure=attempt_failures.not_kept(error))
            following = await patiently(lambda: attempts.end(self._platform, claim, outcome))
        _log_end(claim, outcome, following)
        return following

    async def _save_state(self, claim: Claim, outcome: Outcome) -> None:
        """Save the browser's final state before the Run is seen to have ended."""
        state = outcome.auth_state
        if state is None or outcome.result is None or not self._platform.settings.save_auth_state:
            return
        try:
            await patiently(lambda: session_claims.save(self._platform, claim, state))
        except TooLarge as error:
            log.warning(
                "auth state not saved",
                event_name="auth_state_too_large",
                run_id=claim.run_id,
                error=error.message,
            )
        except Exception:
            # The AuthSession keeps its old state; the caller still gets the Run's result.
            log.exception(
                "auth state not saved", event_name="auth_state_failed", run_id=claim.run_id
            )


@contextmanager
def _traced(claim: Claim) -> Generator[None]:
    """Trace an Attempt; before the first one, also trace how long the Run was queued."""
    if claim.attempt <= 1 and claim.accepted_at is not None:
        parent, since = claim.trace_parent, claim.accepted_at
        tracing.past("queue", parent=parent, since=since, until=datetime.now(UTC))
    facts = {"run_id": claim.run_id, "api": claim.plan.api, "attempt": claim.attempt}
    with tracing.span("attempt", parent=claim.trace_parent, **facts):
        yield


def _log_end(claim: Claim, outcome: Outcome, following: FollowUp) -> None:
    log.info(
        "attempt ended",
        event_name="attempt_ended",
        run_id=claim.run_id,
        api=claim.plan.api,
        attempt=claim.attempt,
        failure=None if outcome.failure is None else outcome.failure.code.value,
        is_retried=following != DONE,
    )
