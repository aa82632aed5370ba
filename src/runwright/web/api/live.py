"""Routes for watching a Run, for answering its questions, and for the Workers that show it."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response, WebSocket

from runwright.control.base.platform import Platform
from runwright.control.projects import projects
from runwright.control.runs import live, questions, runs
from runwright.domain.projects import Scope
from runwright.errors import RequestError
from runwright.web.api.runs import PROJECT
from runwright.web.server import bodies, callers, relay
from runwright.web.server.callers import Reader, Starter
from runwright.web.server.relay import Relay
from runwright.web.wire import live as wire

routes = APIRouter()
open_routes = APIRouter(tags=["live"])


@routes.post(
    f"{PROJECT}/run/{{run_id}}/answer",
    response_model=wire.AnsweredAnswer,
    openapi_extra=bodies.documented(bodies.JSON, wire.AnswerBody.model_json_schema(by_alias=True)),
)
async def answer(request: Request, caller: Starter, project_name: str, run_id: str) -> Response:
    """Answer a question of a Run."""
    project = await caller.project(project_name)
    run = await runs.get(caller.platform, project.id, run_id)
    text, question_id = wire.parse_answer(await bodies.read_json(request))
    answered = await questions.answer(caller.platform, run.id, text, question_id)
    body: wire.AnsweredAnswer = {"questionId": answered.id}
    return bodies.answer(body)


@routes.get("/{workspace_id}/questions", response_model=list[wire.AskedRunBody])
async def list_questions(caller: Reader) -> Response:
    """List the open questions of the workspace's Runs, oldest first."""
    found = await questions.open_of_workspace(caller.platform, caller.workspace_id)
    return bodies.answer([wire.asked_run(each) for each in found])


@routes.post(
    f"{PROJECT}/run/{{run_id}}/live-links",
    status_code=201,
    response_model=wire.LinkAnswer,
    openapi_extra=bodies.documented(bodies.JSON, wire.LinkBody.model_json_schema(by_alias=True)),
)
async def make_link(request: Request, caller: Starter, project_name: str, run_id: str) -> Response:
    """Create a link with which anyone can watch a Run, but not control it, until the link expires."""
    project = await caller.project(project_name)
    run = await runs.get(caller.platform, project.id, run_id)
    life = wire.parse_link(await bodies.read_json(request))
    token, expires_at = live.link_token(caller.platform, run.id, life)
    origin = str(request.base_url).rstrip("/")
    body: wire.LinkAnswer = {
        "url": f"{origin}/live/{token}",
        "socketUrl": f"ws{origin.removeprefix('http')}/live/{token}/socket",
        "expiresAt": expires_at.isoformat(),
    }
    return bodies.answer(body, 201)


@routes.websocket(f"{PROJECT}/run/{{run_id}}/live")
async def watch(socket: WebSocket, workspace_id: str, project_name: str, run_id: str) -> None:
    """Show a Run to a client with an API key; a key that may start Runs may also take control."""
    platform: Platform = socket.app.state.platform
    try:
        secret = socket.headers.get("x-api-key")
        key = await callers.identify(platform, secret, workspace_id, Scope.READ)
        project = await projects.find(platform, key.workspace_id, project_name)
        run = await runs.get(platform, project.id, run_id)
    except RequestError as error:
        await relay.refuse(socket, error)
        return
    await socket.accept()
    can_control = key.allows(Scope.RUN)
    ticket = relay.ticket_of_key(run, can_control=can_control, watcher=f"key `{key.name}`")
    await _relay(socket).show(socket, ticket)


@open_routes.websocket("/live/{token}/socket")
async def watch_by_link(socket: WebSocket, token: str) -> None:
    """Show a Run to a client with a link."""
    try:
        ticket = live.open_link(socket.app.state.platform, token)
    except RequestError as error:
        await relay.refuse(socket, error)
        return
    await socket.accept()
    await _relay(socket).show(socket, ticket)


@open_routes.websocket("/internal/live/{request_id}")
async def take_worker(socket: WebSocket, request_id: str) -> None:
    """Accept the connection of a Worker that shows a Run to a viewer of this server."""
    proof = socket.headers.get("authorization", "").removeprefix("Bearer ")
    await _relay(socket).take_worker(socket, request_id, proof)


def _relay(socket: WebSocket) -> Relay:
    return socket.app.state.relay
