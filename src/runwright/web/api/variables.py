"""Routes of variables, of a workspace and of a project; all are Runwright's own."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from runwright.control.projects import variables
from runwright.web.api.runs import PROJECT
from runwright.web.server import bodies
from runwright.web.server.callers import Deployer
from runwright.web.wire import deployments as wire

_BODY = bodies.documented(bodies.JSON, wire.VariableBody.model_json_schema())

routes = APIRouter()


@routes.get("/{workspace_id}/variables", response_model=wire.VariablesAnswer)
async def list_shared(caller: Deployer) -> Response:
    """List the variables that all projects of the workspace see."""
    found = await variables.names(caller.platform, caller.workspace_id)
    return bodies.answer(wire.variables(found))


@routes.put("/{workspace_id}/variables/{name}", status_code=204, openapi_extra=_BODY)
async def set_shared(request: Request, caller: Deployer, name: str) -> Response:
    """Set a variable of the workspace; its value is sealed and never shown again."""
    value = wire.parse_variable(await bodies.read_json(request))
    await variables.put(caller.platform, caller.workspace_id, name, value)
    return Response(status_code=204)


@routes.delete("/{workspace_id}/variables/{name}", status_code=204)
async def unset_shared(caller: Deployer, name: str) -> Response:
    """Unset a variable of the workspace."""
    await variables.forget(caller.platform, caller.workspace_id, name)
    return Response(status_code=204)


@routes.get(f"{PROJECT}/variables", response_model=wire.VariablesAnswer)
async def list_own(caller: Deployer, project_name: str) -> Response:
    """List the variables of a project."""
    project = await caller.project(project_name)
    return bodies.answer(wire.variables(await variables.names(caller.platform, project.id)))


@routes.put(f"{PROJECT}/variables/{{name}}", status_code=204, openapi_extra=_BODY)
async def set_own(request: Request, caller: Deployer, project_name: str, name: str) -> Response:
    """Set a variable of a project, which wins over one of the workspace."""
    project = await caller.project(project_name)
    value = wire.parse_variable(await bodies.read_json(request))
    await variables.put(caller.platform, project.id, name, value)
    return Response(status_code=204)


@routes.delete(f"{PROJECT}/variables/{{name}}", status_code=204)
async def unset_own(caller: Deployer, project_name: str, name: str) -> Response:
    """Unset a variable of a project."""
    project = await caller.project(project_name)
    await variables.forget(caller.platform, project.id, name)
    return Response(status_code=204)
