"""Deployments installed on this machine: their unpacked Bundles and Environments."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runwright.adapters.bundles import bundles
from runwright.control.base import parameters
from runwright.control.base.platform import Platform
from runwright.control.projects import deployments
from runwright.domain.ids import DeploymentId, ProjectId, WorkspaceId
from runwright.domain.projects import Deployment, Manifest, ProjectSettings, Requirements
from runwright.errors import NotFound, PlatformError
from runwright.execution.deployments import cache_gc, environments, requirement_files
from runwright.execution.deployments.requirement_files import RequirementFiles
from runwright.storage import projects as rows


@dataclass(frozen=True, kw_only=True, slots=True)
class Installed:
    """A Deployment that is ready for Runners."""

    deployment_id: DeploymentId
    workspace_id: WorkspaceId
    project_id: ProjectId
    root: Path
    """The unpacked project."""
    python: Path
    settings: ProjectSettings
    apis: tuple[str, ...]
    proxy: str | None = None
    """The proxy for Runs where neither they nor their AuthSession have one."""
    parameters: Mapping[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    """The JSON Schemas enforced on parameters, by Api."""


async def folder(platform: Platform, bundle_sha256: str) -> Path:
    """The folder of the unpacked Bundle; the first call fetches and unpacks it."""
    directory = platform.settings.data_dir / "deployments" / bundle_sha256
    if directory.is_dir():
        cache_gc.mark_used(directory)
        return directory
    directory.parent.mkdir(parents=True, exist_ok=True)
    archive = directory.with_name(f"{bundle_sha256}.{uuid.uuid4().hex}.tar.gz")
    try:
        await platform.blobs.fetch(bundles.blob_key(bundle_sha256), archive)
        await asyncio.to_thread(
            bundles.unpack, archive, directory, platform.settings.max_bundle_bytes
        )
    finally:
        archive.unlink(missing_ok=True)
    return directory


async def install(platform: Platform, deployment_id: DeploymentId) -> Installed:
    """Install a ready Deployment, with everything it needs, on this machine.

    Raises:
        PlatformError: the Deployment is not ready.
        NotFound: there is no such Deployment, or its Bundle is no longer stored.
    """
    deployment = await rows.deployment(platform.database, deployment_id)
    if deployment is None:
        raise NotFound(f"There is no deployment `{deployment_id}`.")
    if deployment.manifest is None:
        raise PlatformError(f"Deployment `{deployment_id}` is not ready.")
    return await from_manifest(platform, deployment, deployment.manifest)


async def from_manifest(
    platform: Platform, deployment: Deployment, manifest: Manifest
) -> Installed:
    """Install a Deployment as described by its manifest."""

    async def silent(_line: str) -> None: ...

    root = await folder(platform, deployment.bundle_sha256)
    requirements = manifest.requirements
    environment = await environments.ensure(
        platform.settings, requirements, lambda: _files(root, requirements), silent
    )
    return Installed(
        deployment_id=deployment.id,
        workspace_id=deployment.workspace_id,
        project_id=deployment.project_id,
        root=root,
        python=environment.python,
        settings=manifest.settings,
        apis=tuple(api.name for api in manifest.apis),
        proxy=deployments.proxy_of(platform, deployment, manifest),
        parameters=parameters.enforced_by_name(manifest),
    )


def _files(root: Path, requirements: Requirements) -> RequirementFiles:
    if requirements.sha256 is None:
        return requirement_files.of_packages(root, requirements)
    return requirement_files.read(root)
