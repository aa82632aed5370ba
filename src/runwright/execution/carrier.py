"""Carries out one claimed Attempt on a leased Runner, of whatever kind: an Api, a check, a create."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from runwright import telemetry
from runwright.control.platform import Platform
from runwright.domain.failures import Failure
from runwright.domain.ids import DeploymentId
from runwright.domain.runs import Outcome
from runwright.errors import Category, FailureCode, RunwrightError
from runwright.execution import installed
from runwright.execution.attempt import Attempt, Hold
from runwright.execution.author_environment import AuthorEnvironment
from runwright.execution.installed import Installed
from runwright.execution.pool import Pool, RunnerFailure
from runwright.storage import database

log = telemetry.logger(__name__)

_Value = TypeVar("_Value")
_PATIENCE_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0)
_INSTALLED_KEPT = 200


class Carrier:
    """Knows the Deployments of one Worker and leases their Runners."""

    def __init__(self, platform: Platform, pool: Pool, environment: AuthorEnvironment) -> None:
        self._platform = platform
        self._pool = pool
        self._environment = environment
        self._installed: dict[DeploymentId, Installed] = {}

    async def carry_out(self, hold: Hold) -> Outcome:
        """Carry out a held Attempt and return how it went, whatever happens to the Runner."""
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


async def patiently(write: Callable[[], Awaitable[_Value]]) -> _Value:
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
