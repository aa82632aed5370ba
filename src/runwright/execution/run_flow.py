"""Carries out a Run that the queue says to look at: claim, one Attempt, what follows."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from runwright import telemetry
from runwright.control import attempts, runs
from runwright.control.attempts import Claim
from runwright.control.platform import Platform
from runwright.domain.ids import DeploymentId, WorkerId
from runwright.domain.runs import Failure, Outcome
from runwright.errors import Category, FailureCode, RunwrightError
from runwright.execution import installed
from runwright.execution.attempt import Attempt, Hold, Interruption
from runwright.execution.author_environment import AuthorEnvironment
from runwright.execution.installed import Installed
from runwright.execution.pool import Pool, RunnerFailure
from runwright.storage import database

log = telemetry.logger(__name__)

_Value = TypeVar("_Value")
_PATIENCE_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0)
_INSTALLED_KEPT = 200


class RunFlow:
    """The flow of every Run on one Worker, and the Attempts it holds now."""

    def __init__(
        self,
        platform: Platform,
        worker_id: WorkerId,
        pool: Pool,
        environment: AuthorEnvironment,
    ) -> None:
        self._platform = platform
        self._worker_id = worker_id
        self._pool = pool
        self._environment = environment
        self._installed: dict[DeploymentId, Installed] = {}
        self.held: dict[str, Hold] = {}
        """By run id: what this Worker carries out now."""
        self.is_draining = False

    async def look(self, run_id: str) -> timedelta | None:
        """Carry out the next Attempt of the Run, if it has one; return when to look again."""
        if self.is_draining:
            return timedelta(0)
        claim = await attempts.claim(self._platform, run_id, self._worker_id)
        if claim is None:
            return None
        hold = Hold(claim=claim)
        self.held[run_id] = hold
        try:
            outcome = await self._attempt(hold)
            return await self._conclude(hold, outcome)
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

    async def install(self, deployment_id: DeploymentId) -> Installed:
        """Return the Deployment as it lies on this machine, fetching it the first time."""
        known = self._installed.get(deployment_id)
        if known is None:
            known = await installed.install(self._platform, deployment_id)
            while len(self._installed) >= _INSTALLED_KEPT:
                self._installed.pop(next(iter(self._installed)))
            self._installed[deployment_id] = known
        return known

    @property
    def folders(self) -> list[Path]:
        """Return the folders that Runs on this Worker may still be started from."""
        return [path for each in self._installed.values() for path in (each.root, each.python)]

    async def _attempt(self, hold: Hold) -> Outcome:
        claim = hold.claim
        attempt = Attempt(self._platform, hold, self._environment)
        try:
            deployment = await self.install(claim.deployment_id)
            leasing = self._pool.lease(deployment, attempt.recover)
            async with leasing as runner:
                return await attempt.carry_out(runner)
        except (RunnerFailure, RunwrightError) as error:
            return Outcome(failure=_no_runner(str(error)))
        except Exception as error:
            if database.is_connection_lost(error):
                raise
            log.exception(
                "attempt failed in the platform", event_name="attempt_failed", run_id=claim.run_id
            )
            return Outcome(failure=_no_runner(f"{type(error).__name__}: {error}"))

    async def _conclude(self, hold: Hold, outcome: Outcome) -> timedelta | None:
        claim = hold.claim
        is_unfinished = outcome.result is None
        if hold.interruption is Interruption.LOST:
            return None
        if hold.interruption is Interruption.DRAINING and is_unfinished:
            is_ours = await _patiently(lambda: attempts.give_back(self._platform, claim))
            return timedelta(0) if is_ours else None
        if hold.interruption is Interruption.CANCELED and is_unfinished:
            outcome = dataclasses.replace(
                outcome, failure=None, cancellation=runs.cancelled_by_user()
            )
        again = await _patiently(lambda: attempts.end(self._platform, claim, outcome))
        _log_end(claim, outcome, again)
        return again


async def _patiently(write: Callable[[], Awaitable[_Value]]) -> _Value:
    """Write what must not be lost, however long the database is away; the fence makes that safe."""
    tries = 0
    while True:
        try:
            return await write()
        except Exception as error:
            if not database.is_connection_lost(error):
                raise
            await asyncio.sleep(_PATIENCE_SECONDS[min(tries, len(_PATIENCE_SECONDS) - 1)])
            tries += 1


def _no_runner(reason: str) -> Failure:
    return Failure(
        code=FailureCode.INTERNAL_SERVER_ERROR,
        category=Category.INFRASTRUCTURE,
        message=f"No runner could be made ready for this attempt: {reason}",
        retryable=True,
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
