"""Deploying: accepts a Bundle durably, then a Worker builds it, all or nothing."""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from runwright.adapters import signals
from runwright.adapters.bundles import bundles
from runwright.adapters.queue import engine
from runwright.control.auth_sessions import declared_sessions
from runwright.control.base import admission
from runwright.control.base.platform import Platform
from runwright.control.deliveries import sealed_sinks
from runwright.control.deliveries.sealed_sinks import Owner
from runwright.control.jobs import jobs
from runwright.control.runs import endings
from runwright.domain.ids import DeploymentId, ProjectId, WorkspaceId
from runwright.domain.projects import (
    Deployment,
    DeploymentStatus,
    Difference,
    Manifest,
    Project,
    ProjectSecrets,
    difference,
    is_project_name,
)
from runwright.domain.runs import Cancellation
from runwright.errors import CancelReason, Conflict, NotFound, Problem, ValidationError
from runwright.storage import (
    database,
    projects as rows,
    retention as retention_rows,
    runs as run_rows,
)

QUEUE = "deploy"
_LOOK_SECONDS = 2.0


async def create(
    platform: Platform, workspace_id: WorkspaceId, project_name: str, bundle: Path
) -> Deployment:
    """Check, store and queue a Bundle for a Worker, or reject it without changing anything.

    Raises:
        ValidationError: the project's name is invalid, or the archive is invalid or unsafe.
        TooLarge: the archive, packed or unpacked, exceeds the limit.
        Unavailable: the disk is nearly full.
    """
    if not is_project_name(project_name):
        raise ValidationError(
            [
                Problem(
                    path="projectName",
                    message="must be 1 to 100 letters, digits, `.`, `_` or `-`, and start with a letter or digit",
                )
            ]
        )
    admission.check_disk(platform.settings)
    checked = await asyncio.to_thread(bundles.check, bundle, platform.settings.max_bundle_bytes)
    key = bundles.blob_key(checked.sha256)
    # No connection is held while a slow bucket stores it.
    await _store(platform, key, bundle)
    async with platform.database.acquire() as connection, database.transaction(connection):
        await retention_rows.share_bundle(connection, checked.sha256)
        project_id = await rows.ensure(connection, uuid.uuid4(), workspace_id, project_name)
        deployment_id = DeploymentId(uuid.uuid4())
        deployment = await rows.add_deployment(
            connection, deployment_id, project_id, checked.sha256
        )
    # From here on the blob is safe from pruning; it may have been pruned before.
    await _store(platform, key, bundle)
    async with platform.database.acquire() as connection:
        await engine.enqueue(
            connection, engine.Entry(queue=QUEUE, id=f"deployment:{deployment_id}")
        )
    return deployment


async def _store(platform: Platform, key: str, bundle: Path) -> None:
    if not await platform.blobs.exists(key):
        await platform.blobs.put_file(key, bundle)


async def get(platform: Platform, project_id: ProjectId, deployment_id: UUID) -> Deployment:
    """Find a Deployment of a project.

    Raises:
        NotFound: the project has no such Deployment.
    """
    found = await rows.deployment(platform.database, deployment_id)
    if found is None or found.project_id != project_id:
        raise _not_found(deployment_id)
    return found


async def list_all(platform: Platform, project_id: ProjectId) -> list[Deployment]:
    """All Deployments of a project, newest first."""
    return await rows.deployments(platform.database, project_id)


async def wait(
    platform: Platform,
    project_id: ProjectId,
    deployment_id: UUID,
    *,
    seen: int,
    patience: timedelta,
) -> Deployment:
    """Wait until the Deployment is finished or has more than `seen` lines of progress, at most `patience`; return it."""
    deadline = asyncio.get_running_loop().time() + patience.total_seconds()
    with platform.signals.subscribe(f"deployment:{deployment_id}") as signalled:
        while True:
            found = await get(platform, project_id, deployment_id)
            left = deadline - asyncio.get_running_loop().time()
            is_final = found.status in (DeploymentStatus.READY, DeploymentStatus.FAILED)
            if is_final or len(found.progress) > seen or left <= 0:
                return found
            await signals.wait(signalled, min(left, _LOOK_SECONDS))


async def begin(platform: Platform, deployment_id: UUID) -> Deployment | None:
    """Start building a Deployment; None when it is already finished."""
    return await rows.begin_deployment(platform.database, deployment_id)


async def report(platform: Platform, begun: Deployment, line: str) -> None:
    """Add a line of progress; nothing happens if another Worker has taken over the build."""
    await rows.report_deployment(platform.database, begun, line.replace("\0", "�"))


async def fail(platform: Platform, begun: Deployment, error: str) -> None:
    """Mark a Deployment as failed, unless another Worker has taken over the build; the current one stays."""
    await rows.fail_deployment(platform.database, begun, error.replace("\0", "�"))


async def finish(
    platform: Platform,
    deployment: Deployment,
    manifest: Manifest,
    secrets: ProjectSecrets,
) -> None:
    """Make a built Deployment ready and current, with its declared sessions and Jobs, in one transaction."""
    sealed_sink = sealed_proxy = None
    if secrets.default_sink is not None:
        sealed_sink = sealed_sinks.seal(
            platform, Owner.DEPLOYMENT, deployment.id, secrets.default_sink
        )
    if secrets.proxy is not None:
        sealed_proxy = platform.vault.seal(secrets.proxy.encode(), record=_proxy_of(deployment))
    limit = manifest.settings.max_concurrent_runs or 0
    async with platform.database.acquire() as connection, database.transaction(connection):
        sealed = {"sealed_sink": sealed_sink, "sealed_proxy": sealed_proxy}
        if not await rows.finish_deployment(connection, deployment, manifest, **sealed):
            return
        if await rows.make_current(connection, deployment.project_id, deployment.id, limit):
            current = await rows.get(connection, deployment.project_id)
            # JobRuns, Jobs, sessions and Runs are locked in this order everywhere, and each of them may be deleted here.
            await jobs.hold_declared(connection, deployment.project_id)
            said = await declared_sessions.declare(
                platform, connection, current, secrets.auth_sessions
            )
            said += await jobs.declare(platform, connection, current, secrets.jobs)
            for line in said:
                await rows.report_deployment(connection, deployment, line)
        if not manifest.settings.is_api_access_enabled:
            canceled = await run_rows.cancel_pending_of_project(
                connection, deployment.project_id, _api_access_disabled()
            )
            for row in canceled:
                await signals.send(connection, f"run:{row.run.id}")
                await endings.follow(platform, connection, row)
        await signals.send(connection, f"deployment:{deployment.id}")
        await signals.send(connection, "projects")


def proxy_of(platform: Platform, deployment: Deployment, manifest: Manifest) -> str | None:
    """The proxy of the Deployment's Runs when neither the Run nor its session names one."""
    if deployment.sealed_proxy is None:
        return manifest.settings.default_proxy
    return platform.vault.open(deployment.sealed_proxy, record=_proxy_of(deployment)).decode()


def _proxy_of(deployment: Deployment) -> str:
    return f"deployment-proxy:{deployment.id}"


async def roll_back(platform: Platform, project: Project, deployment_id: UUID) -> Deployment:
    """Make a ready Deployment current again; Runs in progress finish on their own Deployment.

    Raises:
        NotFound: the project has no such Deployment.
        Conflict: it is not ready, or its Bundle has been removed.
    """
    found = await get(platform, project.id, deployment_id)
    if found.manifest is None:
        raise Conflict(
            f"Deployment {found.number} is {found.status.value}, and only a ready one can become current."
        )
    limit = found.manifest.settings.max_concurrent_runs or 0
    async with platform.database.acquire() as connection, database.transaction(connection):
        if not await rows.hold_deployment(connection, found.id):
            raise _not_found(deployment_id)
        # Checked under the lock: no other process can remove it now, and one about to do so finds that it is current.
        await retention_rows.share_bundle(connection, found.bundle_sha256)
        if not await platform.blobs.exists(bundles.blob_key(found.bundle_sha256)):
            raise Conflict(
                f"The bundle of deployment {found.number} was removed to free disk space: deploy it again."
            )
        await rows.put_current(connection, project.id, found.id, limit)
        await signals.send(connection, "projects")
    return found


async def compare(platform: Platform, project: Project, deployment_id: UUID) -> Difference:
    """Compare a Deployment with the current one.

    Raises:
        NotFound: the project has no such Deployment.
        Conflict: it is not ready, or no Deployment is current.
    """
    found = await get(platform, project.id, deployment_id)
    current = project.manifest
    if found.manifest is None or current is None:
        raise Conflict("Only a ready deployment can be compared, and only with a current one.")
    return difference(current, found.manifest)


async def requeue_lost(platform: Platform) -> list[DeploymentId]:
    """Queue unfinished Deployments whose queue entry is lost; return their ids."""
    async with platform.database.acquire() as connection, database.transaction(connection):
        unfinished = {f"deployment:{each}": each for each in await rows.unfinished(connection)}
        lost = await engine.without_entry(connection, list(unfinished))
        for identifier in lost:
            await engine.enqueue(connection, engine.Entry(queue=QUEUE, id=identifier))
        return [unfinished[identifier] for identifier in lost]


def _not_found(deployment_id: UUID) -> NotFound:
    return NotFound(f"There is no deployment `{deployment_id}` of this project.")


def _api_access_disabled() -> Cancellation:
    return Cancellation(
        reason=CancelReason.API_ACCESS_DISABLED,
        message="The project was deployed with its API access disabled before this run began.",
    )
