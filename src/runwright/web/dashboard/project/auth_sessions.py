"""AuthSessions of a project: list, create, check, update, upload and delete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Response

from runwright.control.auth_sessions import auth_sessions
from runwright.control.insight import overview
from runwright.domain.ids import new_auth_session_id
from runwright.errors import Problem, ValidationError
from runwright.web.dashboard.kit import pages, stream
from runwright.web.dashboard.kit.forms import Form, Sent
from runwright.web.dashboard.kit.identity import Operator, Reader, User
from runwright.web.dashboard.kit.registration import Link, Page
from runwright.web.dashboard.kit.route import Route
from runwright.web.wire import auth_sessions as wire, common

routes = APIRouter(route_class=Route)
PAGE = Page(routes=routes, tab=Link(label="Auth sessions", path="auth-sessions"))


@routes.get("/projects/{name}/auth-sessions")
async def show_all(user: Reader, name: str) -> Response:
    """List the sessions of a project."""
    values = await _list(user, name)
    return pages.for_user(
        user, "auth_sessions.html", active="projects", tab="auth-sessions", **values
    )


@routes.get("/projects/{name}/auth-sessions/events")
async def follow(user: Reader, name: str) -> Response:
    """Stream updates of the list."""
    await user.project(name)

    async def render() -> Mapping[str, str]:
        values = await _list(user, name)
        text = pages.text(user.request, "parts/session_rows.html", user=user, **values)
        return {"session-rows": text}

    return stream.parts(user, render, topics=["run:*"])


@routes.post("/projects/{name}/auth-sessions")
async def create(user: Operator, name: str, form: Sent) -> Response:
    """Create a session from parameters."""
    project = await user.project(name)
    body = {"id": form.text("id") or None, "parameters": _json(form, "parameters")}
    body |= _options(form)
    plan = wire.parse_create(body, new_auth_session_id())
    operation = await auth_sessions.create(user.platform, project, plan)
    return pages.redirect(
        user.request, f"/projects/{project.name}/runs/{operation.id}", notice="signing-in"
    )


@routes.post("/projects/{name}/auth-sessions/upload")
async def upload(user: Operator, name: str, form: Sent) -> Response:
    """Create a session from an uploaded state."""
    project = await user.project(name)
    body = {"id": form.text("id") or None, "storageState": _json(form, "state")}
    session_id, state, proxy = wire.parse_upload(body, new_auth_session_id())
    await auth_sessions.upload(user.platform, project, session_id, state, proxy)
    return pages.redirect(user.request, f"/projects/{project.name}/auth-sessions", notice="saved")


@routes.post("/projects/{name}/auth-sessions/{session_id}/update")
async def update(user: Operator, name: str, session_id: str, form: Sent) -> Response:
    """Change the parameters of a session once a check passes with them."""
    project = await user.project(name)
    body = {"parameters": _json(form, "parameters"), **_options(form)}
    operation = await auth_sessions.update(
        user.platform, project, wire.parse_update(body, session_id)
    )
    return pages.redirect(
        user.request, f"/projects/{project.name}/runs/{operation.id}", notice="signing-in"
    )


@routes.post("/projects/{name}/auth-sessions/{session_id}/validate")
async def validate(user: Operator, name: str, session_id: str, form: Sent) -> Response:
    """Check a session; with `repair`, recreate it if the check fails."""
    project = await user.project(name)
    body = {"autoRecreate": form.has("repair")}
    operation = await auth_sessions.validate(
        user.platform, project, wire.parse_validate(body, session_id)
    )
    return pages.redirect(
        user.request, f"/projects/{project.name}/runs/{operation.id}", notice="checking"
    )


@routes.post("/projects/{name}/auth-sessions/{session_id}/delete")
async def delete(user: Operator, name: str, session_id: str) -> Response:
    """Delete a session."""
    project = await user.project(name)
    await auth_sessions.delete(user.platform, project.id, session_id)
    return pages.redirect(user.request, f"/projects/{project.name}/auth-sessions", notice="deleted")


async def _list(user: User, name: str) -> dict[str, Any]:
    project = await user.project(name)
    manifest = project.manifest
    return {
        "project": project,
        "settings": None if manifest is None else manifest.settings,
        "sessions": await auth_sessions.list_all(user.platform, project.id),
        "operations": await overview.operations(user.platform, project.id),
    }


def _options(form: Form) -> dict[str, Any]:
    return {"proxy": form.text("proxy") or None, "saveTrace": True if form.has("trace") else None}


def _json(form: Form, name: str) -> Any:
    try:
        return common.read_json((form.raw(name).strip() or "{}").encode("utf-8", "replace"))
    except ValidationError as error:
        raise ValidationError([Problem(path=name, message=error.problems[0].message)]) from error
