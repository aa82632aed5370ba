"""The playground: starts a Run from a form built from the Api's schema, or from raw JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Response

from runwright.control.auth_sessions import auth_sessions
from runwright.control.runs import rerun, runs
from runwright.domain.projects import PLAYGROUND_SAMPLE, Api, Project
from runwright.domain.runs import RunRequest
from runwright.errors import Problem, RequestError, ValidationError
from runwright.web.dashboard.kit import pages
from runwright.web.dashboard.kit.forms import Form, Sent
from runwright.web.dashboard.kit.identity import Operator, Reader, User
from runwright.web.dashboard.kit.registration import Link, Page
from runwright.web.dashboard.kit.route import Route
from runwright.web.wire import common, run_requests

routes = APIRouter(route_class=Route)
PAGE = Page(routes=routes, tab=Link(label="Playground", path="playground"))


@routes.get("/projects/{name}/playground")
async def show(user: Reader, name: str) -> Response:
    """Show the form, filled from a sample or from another Run."""
    project = await user.project(name)
    query = user.request.query_params
    values = await _values(user, project, query.get("api", ""))
    filled = _filled(values["api"], query.get("sample", ""))
    if again := query.get("again"):
        earlier = await rerun.request_of(user.platform, project, again)
        values = await _values(user, project, earlier.api)
        filled = _filled_again(earlier, again)
    return _page(user, values, filled)


@routes.post("/projects/{name}/playground")
async def start(user: Operator, name: str, form: Sent) -> Response:
    """Start a Run, or show the form again with its errors."""
    project = await user.project(name)
    try:
        request = await _request(user, project, form)
        run = await runs.start(
            user.platform, project, request, idempotency_key=None, request_text=""
        )
    except RequestError as error:
        values = await _values(user, project, form.text("api"))
        filled = {
            "parameters": form.raw("parameters"),
            **{key: form.text(key) for key in ("again", "timeout", "attempts", "proxy", "session")},
            "trace": form.has("trace"),
            "har": form.has("har"),
        }
        return _page(user, values, filled, error)
    return pages.redirect(user.request, f"/projects/{project.name}/runs/{run.id}")


async def _request(user: User, project: Project, form: Form) -> RunRequest:
    body: dict[str, Any] = {
        "api": form.text("api"),
        "parameters": _parameters(form.raw("parameters")),
        "saveTrace": form.has("trace"),
        "saveHar": form.has("har"),
        "requestTimeout": form.number("timeout"),
        "proxy": form.text("proxy") or None,
    }
    if attempts := form.number("attempts"):
        body["retry"] = {"maximumAttempts": attempts}
    if session := form.text("session"):
        body["authSession"] = {"id": session}
    request = run_requests.parse_start(body)
    if again := form.text("again"):
        earlier = await rerun.request_of(user.platform, project, again)
        has_same = earlier.session is not None and earlier.session.id == session
        request = replace(
            request,
            proxy=request.proxy or earlier.proxy,
            sink=earlier.sink,
            session=earlier.session if has_same else request.session,
        )
    return request


def _parameters(text: str) -> Any:
    try:
        return common.read_json((text.strip() or "{}").encode("utf-8", "replace"))
    except ValidationError as error:
        message = error.problems[0].message
        raise ValidationError([Problem(path="parameters", message=message)]) from error


async def _values(user: User, project: Project, wanted: str) -> dict[str, Any]:
    manifest = project.manifest
    apis = () if manifest is None else manifest.apis
    named = next((api for api in apis if api.name == wanted), None)
    # Apis with a playground sample come first, then those with any sample.
    first = max(
        apis, key=lambda api: (PLAYGROUND_SAMPLE in api.samples, bool(api.samples)), default=None
    )
    sessions = []
    if manifest is not None and manifest.settings.has_auth_sessions:
        sessions = await auth_sessions.list_all(user.platform, project.id)
    return {
        "project": project,
        "apis": apis,
        "api": named or first,
        "settings": None if manifest is None else manifest.settings,
        "sessions": sessions,
    }


def _filled(api: Api | None, sample: str) -> dict[str, Any]:
    samples = {} if api is None else api.samples
    chosen = samples.get(sample)
    if chosen is None:
        chosen = samples.get(PLAYGROUND_SAMPLE, next(iter(samples.values()), dict[str, Any]()))
    return {
        "parameters": json.dumps(chosen, indent=2, ensure_ascii=False),
        "again": "",
        "timeout": "",
        "attempts": "",
        "proxy": "",
        "session": "",
        "trace": True,
        "har": False,
    }


def _filled_again(earlier: RunRequest, run_id: str) -> dict[str, Any]:
    timeout = earlier.request_timeout
    return {
        "parameters": json.dumps(earlier.parameters, indent=2, ensure_ascii=False),
        "again": run_id,
        "timeout": "" if timeout is None else f"{timeout.total_seconds():.0f}",
        "attempts": str(earlier.maximum_attempts or ""),
        # Secret: the earlier Run's proxy is used unless another is given.
        "proxy": "",
        "session": "" if earlier.session is None else earlier.session.id,
        "trace": earlier.save_trace,
        "har": earlier.save_har,
    }


def _page(
    user: User,
    values: dict[str, Any],
    filled: dict[str, Any],
    error: RequestError | None = None,
) -> Response:
    problems = error.problems if isinstance(error, ValidationError) else []
    answer = pages.for_user(
        user,
        "playground.html",
        active="projects",
        tab="playground",
        filled=filled,
        error=error,
        problems=[{"path": each.path, "message": each.message} for each in problems],
        **values,
    )
    answer.status_code = 200 if error is None else error.status
    return answer
