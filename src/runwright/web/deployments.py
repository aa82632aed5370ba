"""Routes of projects, Deployments and API keys; all ours."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from runwright.control import deployments, keys, projects
from runwright.domain.projects import Scope
from runwright.errors import UnsupportedMediaType
from runwright.web import errors, wire
from runwright.web.callers import identify
from runwright.web.runs import Wait, read_json

_ARCHIVES = ("application/gzip", "application/x-gzip", "application/octet-stream")
_PROJECT = "/{workspace_id}/projects/{project_name}"


def router() -> APIRouter:
    """Return the routes."""
    routes = APIRouter()

    @routes.get("/{workspace_id}/projects")
    async def list_projects(request: Request, workspace_id: str) -> Response:
        caller = await identify(request, workspace_id, Scope.READ)
        found = await projects.list_all(caller.platform, caller.workspace_id)
        return _json({"projects": [wire.project(each) for each in found]})

    @routes.post(
        f"{_PROJECT}/deployments",
        status_code=202,
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {_ARCHIVES[0]: {"schema": {"type": "string", "format": "binary"}}},
            }
        },
    )
    async def deploy(request: Request, workspace_id: str, project_name: str) -> Response:
        caller = await identify(request, workspace_id, Scope.DEPLOY)
        if request.headers.get("content-type", "").split(";")[0].strip().lower() not in _ARCHIVES:
            raise UnsupportedMediaType(
                "A bundle is a gzipped tar archive: send `content-type: application/gzip`."
            )
        bundle = await _receive(request)
        try:
            found = await deployments.create(
                caller.platform, caller.workspace_id, project_name, bundle
            )
        finally:
            await asyncio.to_thread(bundle.unlink, missing_ok=True)
        return _json({"deployment": wire.deployment(found)}, 202)

    @routes.get(f"{_PROJECT}/deployments")
    async def list_deployments(request: Request, workspace_id: str, project_name: str) -> Response:
        caller = await identify(request, workspace_id, Scope.READ)
        project = await caller.project(project_name)
        found = await deployments.list_all(caller.platform, project.id)
        current = None if project.current is None else str(project.current.id)
        return _json({"deployments": [wire.deployment(each) for each in found], "current": current})

    @routes.get(f"{_PROJECT}/deployments/{{deployment_id}}")
    async def get_deployment(  # noqa: PLR0913
        request: Request,
        workspace_id: str,
        project_name: str,
        deployment_id: UUID,
        wait: Wait = 0,
        seen: Annotated[int, Query(ge=0)] = 0,
    ) -> Response:
        caller = await identify(request, workspace_id, Scope.READ)
        project = await caller.project(project_name)
        found = await deployments.wait(
            caller.platform, project.id, deployment_id, seen=seen, timeout=timedelta(seconds=wait)
        )
        return _json({"deployment": wire.deployment(found)})

    @routes.get("/{workspace_id}/keys")
    async def list_keys(request: Request, workspace_id: str) -> Response:
        caller = await identify(request, workspace_id, Scope.ADMIN)
        found = await keys.list_all(caller.platform, caller.workspace_id)
        return _json({"keys": [wire.key(each) for each in found]})

    @routes.post(
        "/{workspace_id}/keys",
        status_code=201,
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": wire.KeyBody.model_json_schema()}},
            }
        },
    )
    async def create_key(request: Request, workspace_id: str) -> Response:
        caller = await identify(request, workspace_id, Scope.ADMIN)
        name, scopes = wire.parse_key(await read_json(request))
        key, secret = await keys.create(
            caller.platform, caller.workspace_id, name=name, scopes=scopes
        )
        return _json({**wire.key(key), "key": secret}, 201)

    @routes.delete("/{workspace_id}/keys/{key_id}", status_code=204)
    async def revoke_key(request: Request, workspace_id: str, key_id: str) -> Response:
        caller = await identify(request, workspace_id, Scope.ADMIN)
        await keys.revoke(caller.platform, caller.workspace_id, key_id)
        return Response(status_code=204)

    return routes


async def _receive(request: Request) -> Path:
    """Write the body to a file of its own, which the caller removes."""
    settings = request.app.state.platform.settings
    descriptor, name = tempfile.mkstemp(prefix="bundle-", suffix=".tar.gz", dir=settings.data_dir)
    path = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as out:
            async for chunk in errors.stream_body(request, settings.max_bundle_bytes):
                out.write(chunk)
    except BaseException:
        await asyncio.to_thread(path.unlink, missing_ok=True)
        raise
    return path


def _json(body: object, status: int = 200) -> Response:
    return Response(json.dumps(body), status, media_type="application/json")
