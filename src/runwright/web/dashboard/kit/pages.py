"""Page rendering: templates, the functions they call, and error pages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import jinja2
from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

import runwright
from runwright.errors import Conflict, PlatformError, Problem, RequestError, ValidationError
from runwright.web.dashboard.kit import assets, formatting, icons, identity
from runwright.web.dashboard.kit.identity import User
from runwright.web.dashboard.kit.registration import Link
from runwright.web.server import bodies, errors

_TEMPLATES = Path(__file__).parents[1] / "templates"
_HALF_CHARACTERS = re.compile("[\ud800-\udfff]")
_NOTICES = {
    "canceled": "Canceled.",
    "canceling": "Canceling.",
    "again": "Started again.",
    "set": "Variable set.",
    "unset": "Variable unset.",
    "current": "This deployment is now current.",
    "sent": "Resending.",
    "deleted": "Deleted.",
    "checking": "Checking the session.",
    "signing-in": "Creating the session.",
    "revoked": "Key revoked.",
    "saved": "Saved.",
    "examining": "Workers are examining their machines.",
    "paused": "Paused.",
    "resumed": "Resumed.",
    "triggered": "Triggered.",
    "terminated": "Terminated.",
    "answered": "Answered.",
}
"""Confirmations, named in the URL by their key so that a link cannot inject text."""
_TITLES = {
    400: "Invalid request",
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found",
    409: "Conflict",
    503: "Unavailable",
}


def add_links(links: Sequence[Link], tabs: Sequence[Link]) -> None:
    """Give the templates the links of all registered pages."""
    known: dict[str, Any] = {"links": links, "tabs": tabs}
    _environment.globals |= known


def page(request: Request, template: str, status: int = 200, **values: Any) -> Response:
    """Render a page."""
    return HTMLResponse(text(request, template, **values), status)


def text(request: Request, template: str, **values: Any) -> str:
    """Render a template to text that encodes as UTF-8."""
    rendered = _environment.get_template(template).render(
        request=request,
        mount=identity.mount(request),
        theme=identity.theme(request),
        notice=_NOTICES.get(request.query_params.get("notice", "")),
        version=runwright.__version__,
        now=datetime.now(UTC),
        **values,
    )
    # A Run may output half a surrogate pair, which JSON can hold and UTF-8 cannot.
    return _HALF_CHARACTERS.sub("\ufffd", rendered)


def for_user(user: User, template: str, **values: Any) -> Response:
    """Render a page for the signed-in user."""
    return page(user.request, template, user=user, **values)


def redirect(request: Request, path: str, **query: str) -> Response:
    """Redirect after a form was handled."""
    parameters = f"?{urlencode(query)}" if query else ""
    return RedirectResponse(f"{identity.mount(request)}{path}{parameters}", 303)


def plain(message: str, status: int) -> Response:
    """Answer one of the dashboard's own scripts with an error."""
    return bodies.answer({"message": message}, status)


async def problem(request: Request, error: RequestError | PlatformError) -> Response:
    """Render an error page."""
    user = await identity.find(request)
    found: list[Problem] = error.problems if isinstance(error, ValidationError) else []
    return page(
        request,
        "problem.html",
        error.status,
        user=user,
        title=_title(error.status),
        error=error,
        problems=found,
    )


def failed(request: Request, error: PlatformError | Conflict) -> Response:
    """Render the page of an unexpected error, without touching the database."""
    return page(
        request,
        "problem.html",
        error.status,
        user=None,
        title=_title(error.status),
        error=error,
        problems=[],
        correlation_id=errors.correlation_id(),
    )


def _title(status: int) -> str:
    return _TITLES.get(status, "Something went wrong")


@jinja2.pass_context
def _to(context: jinja2.runtime.Context, *segments: object, **query: object) -> str:
    """URL of a page, from path segments and the query parameters that are set."""
    path = "".join(f"/{quote(str(segment), safe='')}" for segment in segments) or "/"
    given = {name: value for name, value in query.items() if value not in (None, "")}
    return f"{context['mount']}{path}{'?' + urlencode(given) if given else ''}"


@jinja2.pass_context
def _asset(context: jinja2.runtime.Context, name: str) -> str:
    return f"{context['mount']}/assets/{assets.VERSION}/{name}"


def _make() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        # No trim_blocks: it would join the attributes that the formatter puts on lines of their own.
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        auto_reload=False,
    )
    known: dict[str, Any] = {
        "links": (),
        "tabs": (),
        "to": _to,
        "asset": _asset,
        "icon": icons.icon,
    }
    environment.globals |= known
    environment.filters.update(
        ago=formatting.ago,
        time=formatting.time,
        duration=formatting.duration,
        usd=formatting.usd,
        size=formatting.size,
        count=formatting.count,
        json=formatting.json_text,
        percent=formatting.percent,
    )
    return environment


_environment = _make()
