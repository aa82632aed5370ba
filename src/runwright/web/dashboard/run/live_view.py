"""The live view of a Run: the page, its socket, answers to Questions, and shared links."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response, WebSocket

from runwright.control.base.platform import Platform
from runwright.control.projects import projects
from runwright.control.runs import live, questions, runs
from runwright.domain.auth_sessions import RECORD_API
from runwright.domain.live import Ticket
from runwright.domain.projects import ApiKey, Scope
from runwright.errors import Forbidden, RequestError
from runwright.web.dashboard.kit import identity, pages
from runwright.web.dashboard.kit.forms import Sent
from runwright.web.dashboard.kit.identity import Operator, Reader
from runwright.web.dashboard.kit.registration import Page
from runwright.web.dashboard.kit.route import Route
from runwright.web.server import bodies, relay
from runwright.web.wire import live as wire

routes = APIRouter(route_class=Route)
PAGE = Page(routes=routes)

_WELCOME = timedelta(minutes=10)
"""The page then reconnects, unless the user has signed out."""


@routes.get("/projects/{name}/runs/{run_id}/live")
async def show(user: Reader, name: str, run_id: str) -> Response:
    """Show the Screen of a Run."""
    project = await user.project(name)
    found = await runs.detail(user.platform, user.workspace_id, run_id, project_id=project.id)
    return pages.for_user(
        user,
        "live.html",
        active="projects",
        tab="runs",
        project=project,
        detail=found,
        run=found.run,
        is_recording=found.plan.api == RECORD_API,
        can_control=user.can_run,
    )


@routes.websocket("/projects/{name}/runs/{run_id}/live/socket")
async def watch(socket: WebSocket, name: str, run_id: str) -> None:
    """Stream a Run to a signed-in user, who may take control if the key can start Runs."""
    platform: Platform = socket.app.state.platform
    try:
        key = await _key(socket)
        project = await projects.find(platform, key.workspace_id, name)
        run = await runs.get(platform, project.id, run_id)
    except RequestError as error:
        await relay.refuse(socket, error)
        return
    await socket.accept()
    ticket = Ticket(
        run_id=run.id,
        can_control=key.allows(Scope.RUN),
        watcher=f"key `{key.name}`",
        expires_at=datetime.now(UTC) + _WELCOME,
    )
    await socket.app.state.relay.show(socket, ticket)


@routes.post("/projects/{name}/runs/{run_id}/answer")
async def answer(user: Operator, form: Sent, name: str, run_id: str) -> Response:
    """Answer a Run's Question; `done` means it was done in the page, with no text."""
    project = await user.project(name)
    run = await runs.get(user.platform, project.id, run_id)
    text = "" if form.has("done") else form.raw("answer")
    await questions.answer(user.platform, run.id, text, form.text("question"))
    if user.request.headers.get("sec-fetch-mode") == "cors":
        return Response(status_code=204)
    return pages.redirect(user.request, f"/projects/{name}/runs/{run.id}", notice="answered")


@routes.post("/projects/{name}/runs/{run_id}/live/links")
async def share(user: Operator, form: Sent, name: str, run_id: str) -> Response:
    """Create a link that shows a Run to anyone."""
    project = await user.project(name)
    run = await runs.get(user.platform, project.id, run_id)
    life = wire.parse_link({"expiresIn": 60 * (form.number("minutes") or 60)})
    token, expires_at = live.link_token(user.platform, run.id, life)
    base = f"{user.request.base_url}".rstrip("/")
    return bodies.answer({"url": f"{base}/live/{token}", "expiresAt": expires_at.isoformat()})


@routes.get("/live/{token}")
async def guest(request: Request, token: str) -> Response:
    """Show a Run to a guest with a link."""
    ticket = live.open_link(request.app.state.platform, token)
    return pages.page(
        request,
        "live_guest.html",
        user=None,
        token=token,
        expires_at=ticket.expires_at,
        can_control=False,
    )


async def _key(socket: WebSocket) -> ApiKey:
    """Find the key of the signed-in user.

    Raises:
        NotSignedIn: there is no valid session.
        Forbidden: another site's page opened the socket with the user's cookie, or the key lacks
            the scope `read`.
    """
    origin = urlsplit(socket.headers.get("origin", "")).netloc
    public = urlsplit(socket.app.state.platform.settings.url or "").netloc
    if origin not in (socket.headers.get("host"), public):
        raise Forbidden("This connection was opened by another site.")
    found = await identity.find_key(socket)
    if found is None:
        raise identity.NotSignedIn
    key, _ = found
    if not (key.allows(Scope.READ) or key.allows(Scope.RUN)):
        raise Forbidden(
            f"You are signed in with the key `{key.name}`, which lacks the scope `read`."
        )
    return key
