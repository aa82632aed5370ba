"""The recorder's page: where a recording begins; it goes on in the live view of its operation."""

from __future__ import annotations

from fastapi import APIRouter, Response

from runwright.control.auth_sessions import auth_sessions
from runwright.domain.ids import new_auth_session_id
from runwright.errors import ValidationError
from runwright.web.dashboard.kit import pages
from runwright.web.dashboard.kit.forms import Form, Sent
from runwright.web.dashboard.kit.identity import Operator, Visitor
from runwright.web.dashboard.kit.route import Route
from runwright.web.wire import auth_sessions as wire

routes = APIRouter(route_class=Route)


@routes.get("/projects/{name}/auth-sessions/record")
async def ask(visitor: Operator, name: str, session: str = "") -> Response:
    """Ask which session is to be recorded, and where one signs in."""
    return await _page(visitor, name, {"id": session})


@routes.post("/projects/{name}/auth-sessions/record")
async def record(visitor: Operator, form: Sent, name: str) -> Response:
    """Begin to record, and go where the person signs in."""
    project = await visitor.project(name)
    given = {key: form.text(key) for key in ("id", "startUrl", "finishUrl", "proxy")}
    body = {key: value for key, value in given.items() if value}
    try:
        plan = wire.parse_record(body, new_auth_session_id())
        made = await auth_sessions.record(visitor.platform, project, plan)
    except ValidationError as error:
        return await _page(visitor, name, given, error)
    return pages.go(visitor.request, f"/projects/{name}/runs/{made.id}/live")


async def _page(
    visitor: Visitor, name: str, given: dict[str, str], error: ValidationError | None = None
) -> Response:
    project = await visitor.project(name)
    manifest = None if project.current is None else project.current.manifest
    return pages.page(
        visitor.request,
        "record.html",
        200 if error is None else error.status,
        visitor=visitor,
        active="projects",
        tab="auth-sessions",
        project=project,
        settings=None if manifest is None else manifest.settings,
        given=Form({key: [value] for key, value in given.items()}),
        problems={} if error is None else {each.path: each.message for each in error.problems},
        error=error,
    )
