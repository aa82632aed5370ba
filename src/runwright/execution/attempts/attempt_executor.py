"""Carries out one claimed Attempt on a leased Runner, of whatever kind: an Api, a check, a create."""

from __future__ import annotations

from pathlib import Path

from runwright import db_errors, telemetry
from runwright.control.base import parameters
from runwright.control.base.platform import Platform
from runwright.control.runs.claims import Claim
from runwright.db_retry import patiently
from runwright.domain.failures import Failure
from runwright.domain.ids import DeploymentId
from runwright.domain.runs import Outcome, RunKind
from runwright.errors import BlobsAway, RunwrightError
from runwright.execution.attempts import attempt_failures
from runwright.execution.attempts.attempt import Attempt, RunningAttempt
from runwright.execution.attempts.author_environment import AuthorEnvironment
from runwright.execution.deployments import cache_gc, deployment_cache
from runwright.execution.deployments.deployment_cache import Installed
from runwright.execution.runners.pool import Pool
from runwright.execution.runners.runner_groups import RunnerFailure

log = telemetry.logger(__name__)

_INSTALLED_KEPT = 200
_NO_ROOM = "There is no room for the Bundle on this machine: its operator must make room."


class AttemptExecutor:
    """Knows the Deployments of one Worker and leases their Runners."""

    def __init__(self, platform: Platform, pool: Pool, environment: AuthorEnvironment) -> None:
        self._platform = platform
        self._pool = pool
        self._environment = environment
        self._installed: dict[DeploymentId, Installed] = {}

    async def fetch(self, deployment_id: DeploymentId) -> None:
        """Have the Deployment on this machine before anything is begun with it.

        What else is wrong with it is found, and told, when an Attempt is carried out.

        Raises:
            BlobsAway: its Bundle cannot be fetched just now, or there is no room for it.
        """
        try:
            await patiently(lambda: self.install(deployment_id))
        except BlobsAway:
            raise
        except Exception as error:
            if db_errors.is_full(error):
                raise BlobsAway(_NO_ROOM) from error

    async def warm(self, deployment_id: DeploymentId) -> None:
        """Have a Runner ready ahead of need; a Deployment that cannot be had keeps no other from it."""
        try:
            self._pool.warm(await self.install(deployment_id))
        except RunwrightError as error:
            log.warning(
                "deployment not warmed",
                event_name="deployment_not_warmed",
                deployment_id=str(deployment_id),
                error=str(error),
            )

    async def execute(self, running: RunningAttempt) -> Outcome:
        """Carry out a held Attempt and return how it went, whatever happens to the Runner."""
        claim = running.claim
        attempt = Attempt(self._platform, running, self._environment)
        try:
            deployment = await patiently(lambda: self.install(claim.deployment_id))
            if (wrong := _wrong_parameters(deployment, claim)) is not None:
                return Outcome(failure=wrong)
            leasing = self._pool.lease(deployment, attempt.recover)
            async with leasing as runner:
                return await attempt.run(runner, deployment.proxy)
        except (RunnerFailure, RunwrightError) as error:
            return Outcome(failure=attempt_failures.no_runner(str(error)))
        except Exception as error:
            if db_errors.is_to_wait_for(error):
                raise
            log.exception(
                "attempt failed in the platform", event_name="attempt_failed", run_id=claim.run_id
            )
            return Outcome(failure=attempt_failures.no_runner(f"{type(error).__name__}: {error}"))

    async def install(self, deployment_id: DeploymentId) -> Installed:
        """Return the Deployment as it lies on this machine, fetching it the first time."""
        known = self._installed.get(deployment_id)
        if known is None:
            known = await deployment_cache.install(self._platform, deployment_id)
            while len(self._installed) >= _INSTALLED_KEPT:
                self._installed.pop(next(iter(self._installed)))
            self._installed[deployment_id] = known
        return known

    @property
    def folders(self) -> list[Path]:
        """Return the folders that Runs on this Worker may still be started from."""
        return [path for each in self._installed.values() for path in (each.root, each.python)]

    def forget_idle(self) -> None:
        """Forget what no Runner here is started from; it is found again, or fetched, when it is wanted."""
        for deployment_id in set(self._installed) - self._pool.warm_deployments:
            idle = self._installed.pop(deployment_id)
            cache_gc.mark_used(idle.root)
            if self._platform.settings.data_dir in idle.python.parents:
                cache_gc.mark_used(idle.python.parents[1])


def _wrong_parameters(deployment: Installed, claim: Claim) -> Failure | None:
    """Return why an Api cannot take its parameters: those of a Job's item, or that a Run asked for, come unchecked."""
    schema = deployment.parameters.get(claim.plan.api) if claim.kind is RunKind.API else None
    found = [] if schema is None else parameters.problems(claim.plan.parameters, schema)
    return attempt_failures.wrong_parameters(found) if found else None
