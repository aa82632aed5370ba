"""Routes of AuthSessions."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from fastapi import APIRouter, Request, Response

from runwright.control.auth_sessions import auth_sessions
from runwright.domain.auth_sessions import SessionOperation
from runwright.domain.ids import new_auth_session_id
from runwright.web.api.runs import PROJECT, Wait
from runwright.web.server import bodies
from runwright.web.server.callers import Caller, Reader, Starter
from runwright.web.wire import auth_sessions as wire

routes = APIRouter()


@routes.get(f"{PROJECT}/auth-sessions", response_model=list[wire.SessionAnswer])
async def list_sessions(caller: Reader, project_name: str) -> Response:
    """List the AuthSessions of a project, sorted by id."""
    project = await caller.project(project_name)
    found = await auth_sessions.list_all(caller.platform, project.id)
    return bodies.answer([wire.session(each) for each in found])


@routes.post(
    f"{PROJECT}/auth-sessions",
    status_code=201,
    response_model=wire.SessionAnswer,
    openapi_extra=bodies.documented(bodies.JSON, wire.UploadBody.model_json_schema(by_alias=True)),
)
async def upload(request: Request, caller: Starter, project_name: str) -> Response:
    """Create a RECORDER session from a browser's state, or replace the state of an existing one."""
    asked = wire.parse_upload(await bodies.read_json(request), new_auth_session_id())
    project = await caller.project(project_name)
    made = await auth_sessions.upload(caller.platform, project, *asked)
    return bodies.answer(wire.session(made), 201)


@routes.post(
    f"{PROJECT}/auth-sessions/create",
    status_code=201,
    response_model=wire.StartedAnswer,
    openapi_extra=bodies.documented(bodies.JSON, wire.CreateBody.model_json_schema(by_alias=True)),
)
async def create(request: Request, caller: Starter, project_name: str) -> Response:
    """Start creating a session from parameters."""
    plan = wire.parse_create(await bodies.read_json(request), new_auth_session_id())
    project = await caller.project(project_name)
    made = await auth_sessions.create(caller.platform, project, plan)
    return _started(made.id, "started")


@routes.get(
    f"{PROJECT}/auth-sessions/create/{{operation_id}}/result", response_model=wire.OperationAnswer
)
async def create_result(
    caller: Reader, project_name: str, operation_id: str, wait: Wait = 0
) -> Response:
    """Get the state of a create operation, once it has ended or the wait is over."""
    return await _result(caller, project_name, operation_id, (SessionOperation.CREATE, None), wait)


@routes.post(
    f"{PROJECT}/auth-sessions/record",
    status_code=201,
    response_model=wire.StartedAnswer,
    openapi_extra=bodies.documented(bodies.JSON, wire.RecordBody.model_json_schema(by_alias=True)),
)
async def record(request: Request, caller: Starter, project_name: str) -> Response:
    """Start recording a session: a person signs in, in the live view of the Run with the operation's id."""
    plan = wire.parse_record(await bodies.read_json(request), new_auth_session_id())
    project = await caller.project(project_name)
    made = await auth_sessions.record(caller.platform, project, plan)
    return _started(made.id, "started")


@routes.get(
    f"{PROJECT}/auth-sessions/record/{{operation_id}}/result", response_model=wire.OperationAnswer
)
async def record_result(
    caller: Reader, project_name: str, operation_id: str, wait: Wait = 0
) -> Response:
    """Get the state of a recording, once it has ended or the wait is over."""
    return await _result(caller, project_name, operation_id, (SessionOperation.RECORD, None), wait)


@routes.get(f"{PROJECT}/auth-sessions/{{session_id}}", response_model=wire.SessionAnswer)
async def show(caller: Reader, project_name: str, session_id: str) -> Response:
    """Get a session."""
    project = await caller.project(project_name)
    return bodies.answer(
        wire.session(await auth_sessions.get(caller.platform, project.id, session_id))
    )


@routes.delete(f"{PROJECT}/auth-sessions/{{session_id}}", status_code=204)
async def delete(caller: Starter, project_name: str, session_id: str) -> Response:
    """Delete a session; its operation in progress, if any, is canceled."""
    project = await caller.project(project_name)
    await auth_sessions.delete(caller.platform, project.id, session_id)
    return Response(status_code=204)


@routes.post(
    f"{PROJECT}/auth-sessions/{{session_id}}/update",
    status_code=201,
    response_model=wire.StartedAnswer,
    openapi_extra=bodies.documented(bodies.JSON, wire.UpdateBody.model_json_schema(by_alias=True)),
)
async def update(request: Request, caller: Starter, project_name: str, session_id: str) -> Response:
    """Start updating a session: new parameters replace the old ones once they are proven to work."""
    plan = wire.parse_update(await bodies.read_json(request), session_id)
    project = await caller.project(project_name)
    made = await auth_sessions.update(caller.platform, project, plan)
    return _started(made.id, "started")


@routes.get(
    f"{PROJECT}/auth-sessions/{{session_id}}/update/{{operation_id}}/result",
    response_model=wire.OperationAnswer,
)
async def update_result(
    caller: Reader, project_name: str, session_id: str, operation_id: str, wait: Wait = 0
) -> Response:
    """Get the state of an update, once it has ended or the wait is over."""
    wanted = (SessionOperation.UPDATE, session_id)
    return await _result(caller, project_name, operation_id, wanted, wait)


@routes.post(
    f"{PROJECT}/auth-sessions/{{session_id}}/validate/start",
    status_code=201,
    response_model=wire.StartedAnswer,
    openapi_extra=bodies.documented(
        bodies.JSON, wire.ValidateBody.model_json_schema(by_alias=True)
    ),
)
async def validate(
    request: Request, caller: Starter, project_name: str, session_id: str
) -> Response:
    """Start a check of a session, and repair the session where that is allowed."""
    plan = wire.parse_validate(await bodies.read_json(request), session_id)
    project = await caller.project(project_name)
    made = await auth_sessions.validate(caller.platform, project, plan)
    return _started(made.id, "pending")


@routes.get(
    f"{PROJECT}/auth-sessions/{{session_id}}/validate/{{operation_id}}/result",
    response_model=wire.OperationAnswer,
)
async def validate_result(
    caller: Reader, project_name: str, session_id: str, operation_id: str, wait: Wait = 0
) -> Response:
    """Get the state of a check, once it has ended or the wait is over."""
    wanted = (SessionOperation.VALIDATE, session_id)
    return await _result(caller, project_name, operation_id, wanted, wait)


async def _result(
    caller: Caller,
    project_name: str,
    operation_id: str,
    wanted: tuple[SessionOperation, str | None],
    wait: float,
) -> Response:
    project = await caller.project(project_name)
    run, part_id = await auth_sessions.wait(
        caller.platform, project.id, operation_id, *wanted, patience=timedelta(seconds=wait)
    )
    return bodies.answer(wire.operation(run, part_id))


def _started(operation_id: str, status: Literal["started", "pending"]) -> Response:
    body: wire.StartedAnswer = {"status": status, "operationId": operation_id}
    return bodies.answer(body, 201)
