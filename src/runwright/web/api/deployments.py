"""Routes of projects, Deployments and API keys; all are Runwright's own."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from runwright.control.access import keys
from runwright.control.projects import deployments, projects
from runwright.control.upkeep import secrets
from runwright.errors import UnsupportedMediaType
from runwright.web.api.runs import PROJECT, Wait
from runwright.web.server import bodies, project_document
from runwright.web.server.callers import Admin, Deployer, Reader
from runwright.web.wire import deployments as wire

_ARCHIVES = ("application/gzip", "application/x-gzip", "application/octet-stream")
_ARCHIVE_SCHEMA = {"type": "string", "format": "binary"}

routes = APIRouter()


@routes.get("/{workspace_id}/projects", response_model=wire.ProjectsAnswer)
async def list_projects(caller: Reader) -> Response:
    """List the projects of the workspace."""
    found = await projects.list_all(caller.platform, caller.workspace_id)
    return bodies.answer({"projects": [wire.project(each) for each in found]})


@routes.post(
    f"{PROJECT}/deployments",
    status_code=202,
    response_model=wire.DeploymentAnswer,
    openapi_extra=bodies.documented(_ARCHIVES[-1], _ARCHIVE_SCHEMA),
)
async def deploy(request: Request, caller: Deployer, project_name: str) -> Response:
    """Upload a Bundle; a Worker builds it and makes it current, or reports why it cannot."""
    if bodies.media_type(request) not in _ARCHIVES:
        raise UnsupportedMediaType(
            "A bundle is a gzipped tar archive: send `content-type: application/gzip`."
        )
    limit = caller.platform.settings.max_bundle_bytes
    bundle = await bodies.to_file(request, limit)
    try:
        found = await deployments.create(caller.platform, caller.workspace_id, project_name, bundle)
    finally:
        await asyncio.to_thread(bundle.unlink, missing_ok=True)
    return bodies.answer({"deployment": wire.deployment(found)}, 202)


@routes.get(f"{PROJECT}/deployments", response_model=wire.DeploymentsAnswer)
async def list_deployments(caller: Reader, project_name: str) -> Response:
    """List the Deployments of a project, newest first."""
    project = await caller.project(project_name)
    found = await deployments.list_all(caller.platform, project.id)
    current = None if project.current is None else str(project.current.id)
    return bodies.answer(
        {"deployments": [wire.deployment(each) for each in found], "current": current}
    )


@routes.get(f"{PROJECT}/deployments/{{deployment_id}}", response_model=wire.DeploymentAnswer)
async def get_deployment(
    caller: Reader,
    project_name: str,
    deployment_id: UUID,
    wait: Wait = 0,
    seen: Annotated[int, Query(ge=0, description="Number of progress lines already seen.")] = 0,
) -> Response:
    """Get the state of a Deployment, once it has changed or the wait is over."""
    project = await caller.project(project_name)
    found = await deployments.wait(
        caller.platform, project.id, deployment_id, seen=seen, patience=timedelta(seconds=wait)
    )
    return bodies.answer({"deployment": wire.deployment(found)})


@routes.post(
    f"{PROJECT}/deployments/{{deployment_id}}/current", response_model=wire.DeploymentAnswer
)
async def roll_back(caller: Deployer, project_name: str, deployment_id: UUID) -> Response:
    """Make a ready Deployment current: roll back or forward."""
    project = await caller.project(project_name)
    found = await deployments.roll_back(caller.platform, project, deployment_id)
    return bodies.answer({"deployment": wire.deployment(found)})


@routes.get(f"{PROJECT}/deployments/{{deployment_id}}/diff", response_model=wire.DifferenceAnswer)
async def compare(caller: Reader, project_name: str, deployment_id: UUID) -> Response:
    """Compare a Deployment with the current one."""
    project = await caller.project(project_name)
    found = await deployments.compare(caller.platform, project, deployment_id)
    return bodies.answer(wire.difference(found))


@routes.get(f"{PROJECT}/openapi.json")
async def document(request: Request, caller: Reader, project_name: str) -> Response:
    """Describe each Api of the current Deployment as its own operation."""
    project = await caller.project(project_name)
    base = str(request.url).rpartition("/")[0]
    return bodies.answer(project_document.make(project, base))


@routes.get("/{workspace_id}/keys", response_model=wire.KeysAnswer)
async def list_keys(caller: Admin) -> Response:
    """List the API keys of the workspace, without their secrets."""
    found = await keys.list_all(caller.platform, caller.workspace_id)
    return bodies.answer({"keys": [wire.key(each) for each in found]})


@routes.post(
    "/{workspace_id}/keys",
    status_code=201,
    response_model=wire.NewKeyAnswer,
    openapi_extra=bodies.documented(bodies.JSON, wire.KeyBody.model_json_schema()),
)
async def create_key(request: Request, caller: Admin) -> Response:
    """Create an API key; only this response contains its secret."""
    name, scopes = wire.parse_key(await bodies.read_json(request))
    key, secret = await keys.create(caller.platform, caller.workspace_id, name=name, scopes=scopes)
    return bodies.answer(wire.new_key(key, secret), 201)


@routes.post("/{workspace_id}/keys/rotate-secret", response_model=wire.RotationAnswer)
async def rotate_secret(caller: Admin) -> Response:
    """Reseal every secret of the installation with a new key, without downtime."""
    body: wire.RotationAnswer = {"resealed": await secrets.rotate(caller.platform)}
    return bodies.answer(body)


@routes.delete("/{workspace_id}/keys/{key_id}", status_code=204)
async def revoke_key(caller: Admin, key_id: str) -> Response:
    """Revoke an API key."""
    await keys.revoke(caller.platform, caller.workspace_id, key_id)
    return Response(status_code=204)
