"""Runs the author's `check` and `create`, each as a part of the Run or operation that needs it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import timedelta

from runwright import redaction
from runwright.control.auth_sessions.sealed_sessions import Opened
from runwright.control.base.platform import Platform
from runwright.control.runs import attempts
from runwright.control.runs.claims import Claim
from runwright.db_retry import patiently
from runwright.domain import auth_sessions as domain
from runwright.domain.auth_sessions import AuthState, SessionPlan
from runwright.domain.failures import Failure
from runwright.domain.ids import WorkerId
from runwright.domain.retry import Done, FollowUp
from runwright.domain.runs import Cancellation, Outcome, RunKind, RunPlan
from runwright.errors import CancelReason
from runwright.execution.attempts.attempt_executor import AttemptExecutor
from runwright.execution.attempts.running_attempt import Interruption, RunningAttempt

_RECORDING_SPARE = timedelta(minutes=2)
"""How long a recording may take besides waiting for the person."""


class Interrupted(Exception):
    """The Run or operation was interrupted while its AuthSession was being prepared."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Passed:
    """A check or create succeeded."""

    state: AuthState
    """The browser's final state."""
    is_new: bool
    """True when it differs from the state it started with."""
    attempts: int
    """The number of Attempts it took."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NotPassed:
    """Every Attempt failed; why, in order."""

    failures: tuple[Failure, ...]


class SessionSteps:
    """Runs checks and creates for claims of one Worker."""

    def __init__(self, platform: Platform, worker_id: WorkerId, executor: AttemptExecutor) -> None:
        self._platform = platform
        self._worker_id = worker_id
        self._executor = executor

    async def check(
        self, running: RunningAttempt, opened: Opened, plan: SessionPlan, state: AuthState
    ) -> Passed | NotPassed:
        """Run the author's `check` on a browser with the state.

        Raises:
            Interrupted: the Attempt was interrupted.
        """
        run_plan = _plan("check", plan, opened, plan.check_attempts)
        return await self._run_part(running, RunKind.CHECK, run_plan, opened, state)

    async def create(
        self, running: RunningAttempt, opened: Opened, plan: SessionPlan, maximum_attempts: int
    ) -> Passed | NotPassed:
        """Run the author's `create` in a browser without any state.

        Raises:
            Interrupted: the Attempt was interrupted.
        """
        parameters = opened.parameters if plan.parameters is None else plan.parameters
        run_plan = dataclasses.replace(
            _plan("create", plan, opened, maximum_attempts), parameters=parameters or {}
        )
        return await self._run_part(running, RunKind.CREATE, run_plan, opened, None)

    async def record(
        self, running: RunningAttempt, opened: Opened, plan: SessionPlan
    ) -> Passed | NotPassed:
        """Let a person sign in using a browser without any state.

        Raises:
            Interrupted: the Attempt was interrupted.
        """
        run_plan = dataclasses.replace(
            _plan("record", plan, opened, 1),
            parameters={"timeoutInSeconds": plan.request_timeout.total_seconds()},
            request_timeout=_RECORDING_SPARE,
            save_trace=False,
        )
        return await self._run_part(running, RunKind.CREATE, run_plan, opened, None)

    async def _run_part(
        self,
        running: RunningAttempt,
        kind: RunKind,
        plan: RunPlan,
        opened: Opened,
        state: AuthState | None,
    ) -> Passed | NotPassed:
        claim = await attempts.begin_part(self._platform, running.claim, kind, plan)
        failures: list[Failure] = []
        while claim is not None:
            claim = dataclasses.replace(
                claim, auth_state=state, secrets=secrets(plan, opened, state)
            )
            outcome = await self._run_attempt(running, claim)
            following = await self._end(claim, outcome)
            if outcome.cancellation is not None:
                raise Interrupted
            if outcome.failure is None:
                return _passed(outcome, state, len(failures) + 1)
            failures.append(outcome.failure)
            if isinstance(following, Done):
                return NotPassed(failures=tuple(failures))
            await running.pause(following.after)
            if running.interruption is not None:
                await self._end(claim, Outcome(cancellation=_terminated()))
                raise Interrupted
            claim = await attempts.again(self._platform, claim, self._worker_id, outcome.failure)
        running.interrupt(Interruption.LOST)
        raise Interrupted

    async def _run_attempt(self, running: RunningAttempt, claim: Claim) -> Outcome:
        part = RunningAttempt(claim=claim, screen=running.screen)
        running.parts.append(part)
        if running.interruption is not None:
            part.interrupt(running.interruption)
        try:
            outcome = await self._executor.execute(part)
        finally:
            running.parts.remove(part)
        if running.interruption is not None and outcome.result is None:
            return dataclasses.replace(outcome, failure=None, cancellation=_terminated())
        if claim.kind is RunKind.CHECK and outcome.result not in (None, "true"):
            failure = domain.not_signed_in(str(outcome.result))
            return dataclasses.replace(outcome, result=None, failure=failure)
        return outcome

    async def _end(self, claim: Claim, outcome: Outcome) -> FollowUp:
        return await patiently(lambda: attempts.end(self._platform, claim, outcome))


def _terminated() -> Cancellation:
    return Cancellation(
        reason=CancelReason.TERMINATED, message="The run that this belongs to was interrupted."
    )


def secrets(plan: RunPlan, opened: Opened, state: AuthState | None) -> tuple[str, ...]:
    """Values that no log line or failure of an AuthSession's Run or part may show."""
    is_part = plan.api.startswith("auth-sessions/")
    return (
        *redaction.secrets_of_parameters(plan.parameters if is_part else None),
        *redaction.secrets_of_parameters(opened.parameters),
        *redaction.secrets_of_state(state),
    )


def _plan(what: str, plan: SessionPlan, opened: Opened, maximum_attempts: int) -> RunPlan:
    return RunPlan(
        api=f"auth-sessions/{what}",
        parameters={},
        proxy=plan.proxy or opened.proxy,
        save_trace=plan.save_trace is True,
        save_har=False,
        request_timeout=plan.request_timeout,
        maximum_attempts=maximum_attempts,
        session=plan,
    )


def _passed(outcome: Outcome, state: AuthState | None, count: int) -> Passed:
    found = outcome.auth_state
    if found is None:
        return Passed(state=state or {}, is_new=False, attempts=count)
    return Passed(state=found, is_new=True, attempts=count)
