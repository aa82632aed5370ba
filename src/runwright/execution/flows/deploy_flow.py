"""Makes an accepted Deployment ready: unpack it, build its Environment, import it, warm a Runner, make it current."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

from runwright import config, db_errors, telemetry
from runwright.control.base.platform import Platform
from runwright.control.deliveries import deliveries
from runwright.control.projects import deployments
from runwright.domain.projects import Deployment, Manifest, ProjectSecrets
from runwright.domain.retry import DONE, FollowUp, LookAgain
from runwright.domain.text import proxies
from runwright.errors import AuthorError, BlobsAway, RunwrightError, ValidationError
from runwright.execution.deployments import deployment_cache, environments, project_folder
from runwright.execution.deployments.deployment_cache import Installed
from runwright.execution.deployments.project_folder import ProjectFolder
from runwright.execution.flows import inspection
from runwright.execution.runners.launcher import Launcher
from runwright.execution.runners.pool import Pool
from runwright.execution.runners.runner_groups import RunnerFailure

log = telemetry.logger(__name__)


class DeployFlow:
    """Handles all Deployments on one Worker."""

    def __init__(self, platform: Platform, pool: Pool, launcher: Launcher) -> None:
        self._platform = platform
        self._pool = pool
        self._launcher = launcher

    async def handle(self, entry_id: str) -> FollowUp:
        """Build the Deployment of a queue entry, unless it is finished."""
        deployment_id = UUID(entry_id.removeprefix("deployment:"))
        deployment = await deployments.begin(self._platform, deployment_id)
        if deployment is None:
            return DONE
        # Until it is current, the Worker would stop its Runner as unneeded.
        with self._pool.keeping(deployment.id):
            return await self._make(deployment)

    async def _make(self, deployment: Deployment) -> FollowUp:
        try:
            manifest, secrets = await self._build(deployment)
            await deployments.finish(self._platform, deployment, manifest, secrets)
        except AuthorError as error:
            await deployments.fail(self._platform, deployment, error.message)
        except BlobsAway as error:
            line = f"The bundle cannot be fetched; trying again later: {error.message}"
            await deployments.report(self._platform, deployment, line)
            return LookAgain(timedelta(seconds=error.retry_after))
        except (RunwrightError, RunnerFailure) as error:
            await deployments.fail(self._platform, deployment, f"The platform failed: {error}")
        except Exception as error:
            if db_errors.is_to_wait_for(error):
                raise
            log.exception(
                "deployment failed in the platform",
                event_name="deployment_failed",
                deployment_id=str(deployment.id),
            )
            reason = f"The platform failed: {type(error).__name__}: {error}"
            await deployments.fail(self._platform, deployment, reason)
        return DONE

    async def _build(self, deployment: Deployment) -> tuple[Manifest, ProjectSecrets]:
        """Return the manifest, and the project's secrets, which must stay out of it."""

        async def report(line: str) -> None:
            await deployments.report(self._platform, deployment, line)

        root = await deployment_cache.folder(self._platform, deployment.bundle_sha256)
        found = await asyncio.to_thread(project_folder.read, root)
        await _check_sinks(found.secrets)
        for remark in _remarks(found):
            await report(remark)
        settings = self._platform.settings
        environment = await environments.ensure(
            settings, found.requirements.requirements, lambda: found.requirements, report
        )
        await report("Importing every API")
        candidate = Installed(
            deployment_id=deployment.id,
            workspace_id=deployment.workspace_id,
            project_id=deployment.project_id,
            root=root,
            python=environment.python,
            settings=found.settings,
            apis=(),
        )
        apis = await inspection.inspect(
            self._launcher,
            candidate,
            settings.inspect_timeout,
            found.sample_parameters,
            report,
        )
        count = "1 API" if len(apis) == 1 else f"{len(apis)} APIs"
        await report(f"Found {count}: " + ", ".join(api.name for api in apis))
        manifest = Manifest(
            apis=apis, settings=found.settings, requirements=found.requirements.requirements
        )
        inspection.check_jobs(found.secrets, manifest)
        await report("Starting a warm runner")
        ready = await deployment_cache.from_manifest(self._platform, deployment, manifest)
        await self._pool.wait_warm(ready)
        return manifest, found.secrets


def _remarks(found: ProjectFolder) -> list[str]:
    """Remarks on the project's settings for the person who deploys."""
    remarks = [*found.requirements.remarks]
    if found.settings.headful and not config.has_display():
        remarks.append(
            "`headful` needs a display, and this machine has neither one nor Xvfb: the browser runs in "
            "new headless mode"
        )
    if found.lacks_check:
        remarks.append(
            "Auth sessions are enabled but there is no `auth-sessions/check.py`: without its "
            "`async def check(page)` no session is ever good, so no run can start"
        )
    if found.secrets.proxy is not None:
        place = proxies.place(found.secrets.proxy)
        remarks.append(f"Runs without a proxy of their own use the project's: {place}")
    remarks += [
        f"The setting `{setting}` is not supported and is ignored"
        for setting in found.settings.unsupported
    ]
    return remarks


async def _check_sinks(secrets: ProjectSecrets) -> None:
    named = {"defaults.sink.deployed": secrets.default_sink}
    named |= {
        f"the job `{job_id}`: sink": plan.secrets.sink for job_id, plan in secrets.jobs.items()
    }
    for path, sink in named.items():
        try:
            await deliveries.check_sink(sink, path)
        except ValidationError as error:
            raise AuthorError(f"{error.problems[0].path} {error.problems[0].message}.") from error
