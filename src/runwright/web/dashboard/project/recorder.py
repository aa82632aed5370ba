"""The page that starts a recording, which continues in the operation's live view."""

from __future__ import annotations

from fastapi import APIRouter, Response

from runwright.control.auth_sessions import auth_sessions
from runwright.domain.ids import new_auth_session_id
from runwright.errors import ValidationError
from runwright.web.dashboard.kit import pages
from runwright.web.dashboard.kit.forms import Form, Sent
from runwright.web.dashboard.kit.identity import Operator, User
from runwright.web.dashboard.kit.registration import Page
from runwright.web.dashboard.kit.route import Route
from runwright.web.wire import auth_sessions as wire

routes = APIRouter(route_class=Route)
PAGE = Page(routes=routes)


@routes.get("/projects/{name}/auth-sessions/record")
async def ask(user: Operator, name: str, session: str = "") -> Response:
    """Ask for the session to record and the sign-in URL."""
    return await _page(user, name, {"id": session})


@routes.post("/projects/{name}/auth-sessions/record")
async def record(user: Operator, form: Sent, name: str) -> Response:
    """Start the recording and open its live view."""
    project = await user.project(name)
    given = {key: form.text(key) for key in ("id", "startUrl", "finishUrl", "proxy")}
    body = {key: value for key, value in given.items() if value}
    try:
        plan = wire.parse_record(body, new_auth_session_id())
        made = await auth_sessions.record(user.platform, project, plan)
    except ValidationError as error:
        return await _page(user, name, given, error)
    return pages.redirect(user.request, f"/projects/{name}/runs/{made.id}/live")


async def _page(
    user: User, name: str, given: dict[str, str], error: ValidationError | None = None
) -> Response:
    project = await user.project(name)
    manifest = project.manifest
    return pages.page(
        user.request,
        "record.html",
        200 if error is None else error.status,
        user=user,
        active="projects",
        tab="auth-sessions",
        project=project,
        settings=None if manifest is None else manifest.settings,
        given=Form({key: [value] for key, value in given.items()}),
        problems={} if error is None else {each.path: each.message for each in error.problems},
        error=error,
    )
