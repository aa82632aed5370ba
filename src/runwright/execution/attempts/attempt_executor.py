"""Executes one claimed Attempt of any kind on a leased Runner: an Api, a check or a create."""

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
from runwright.execution.attempts.attempt import Attempt
from runwright.execution.attempts.author_environment import AuthorEnvironment
from runwright.execution.attempts.running_attempt import RunningAttempt
from runwright.execution.deployments import cache_gc, deployment_cache
from runwright.execution.deployments.deployment_cache import Installed
from runwright.execution.runners.pool import Pool
from runwright.execution.runners.runner_groups import RunnerFailure

log = telemetry.logger(__name__)

_INSTALLED_KEPT = 200
_NO_ROOM = "The disk of this machine is too full for the Bundle: the operator must free up space."


class AttemptExecutor:
    """Keeps track of one Worker's Deployments and leases their Runners."""

    def __init__(self, platform: Platform, pool: Pool, environment: AuthorEnvironment) -> None:
        self._platform = platform
        self._pool = pool
        self._environment = environment
        self._installed: dict[DeploymentId, Installed] = {}

    async def fetch(self, deployment_id: DeploymentId) -> None:
        """Install the Deployment on this machine before anything uses it.

        Any other problem with it is found and reported when an Attempt is executed.

        Raises:
            BlobsAway: its Bundle cannot be fetched right now, or the disk is full.
        """
        try:
            await patiently(lambda: self.install(deployment_id))
        except BlobsAway:
            raise
        except Exception as error:
            if db_errors.is_full(error):
                raise BlobsAway(_NO_ROOM) from error

    async def warm(self, deployment_id: DeploymentId) -> None:
        """Start a Runner ahead of need; a Deployment that cannot be installed is only logged."""
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
        """Execute an Attempt and return its outcome, whatever happens to the Runner."""
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
        """Return the Deployment as installed on this machine; the first call fetches it."""
        known = self._installed.get(deployment_id)
        if known is None:
            known = await deployment_cache.install(self._platform, deployment_id)
            while len(self._installed) >= _INSTALLED_KEPT:
                self._installed.pop(next(iter(self._installed)))
            self._installed[deployment_id] = known
        return known

    @property
    def folders(self) -> list[Path]:
        """Folders that Attempts on this Worker may still start from."""
        return [path for each in self._installed.values() for path in (each.root, each.python)]

    def forget_idle(self) -> None:
        """Forget Deployments without a Runner here; they are found or fetched again when needed."""
        for deployment_id in set(self._installed) - self._pool.warm_deployments:
            idle = self._installed.pop(deployment_id)
            cache_gc.mark_used(idle.root)
            if self._platform.settings.data_dir in idle.python.parents:
                cache_gc.mark_used(idle.python.parents[1])


def _wrong_parameters(deployment: Installed, claim: Claim) -> Failure | None:
    """Why an Api rejects its parameters; those of Job items and of extended Payloads arrive unchecked."""
    schema = deployment.parameters.get(claim.plan.api) if claim.kind is RunKind.API else None
    found = [] if schema is None else parameters.problems(claim.plan.parameters, schema)
    return attempt_failures.wrong_parameters(found) if found else None
