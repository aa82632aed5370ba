"""The system page: Workers, Runners, machines, database, disk, versions, settings and keys."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Response

from runwright.config import Settings
from runwright.control.access import keys
from runwright.control.insight import diagnostics, health, overview, system
from runwright.control.upkeep import retention
from runwright.domain.projects import Scope
from runwright.domain.retention import Kind
from runwright.web.dashboard.kit import formatting, pages, stream
from runwright.web.dashboard.kit.forms import Sent
from runwright.web.dashboard.kit.identity import Admin, Reader, User
from runwright.web.dashboard.kit.registration import Link, Page
from runwright.web.dashboard.kit.route import Route

routes = APIRouter(route_class=Route)
PAGE = Page(routes=routes, link=Link(label="System", path="system", key="s", icon="system"))

_KINDS = {
    Kind.FILES: "files",
    Kind.RUNS: "runs",
    Kind.LOG_LINES: "log lines",
    Kind.NOTIFICATIONS: "notifications",
    Kind.JOB_RUNS: "job runs",
    Kind.DEPLOYMENTS: "deployments",
    Kind.BUNDLES: "bundles",
    Kind.AUTH_SESSIONS: "auth sessions",
    Kind.WEBHOOK_SECRETS: "webhook secrets",
    Kind.QUEUE_LOG: "queue log entries",
    Kind.ORPHANS: "orphaned files",
}
_SECRET = ("database_url", "blobs", "chromium_args")
_LONG = ("model_prices",)


@routes.get("/system")
async def show(user: Reader) -> Response:
    """Show the state of the installation."""
    return pages.for_user(user, "system.html", active="system", **await _values(user))


@routes.get("/system/events")
async def events(user: Reader) -> Response:
    """Stream updates of the Workers."""

    async def render() -> Mapping[str, str]:
        values = await _workers(user)
        text = pages.text(user.request, "parts/system_workers.html", user=user, **values)
        return {"system-workers": text}

    return stream.parts(user, render)


@routes.post("/system/examine")
async def examine(user: Admin) -> Response:
    """Ask every Worker to examine its machine."""
    await diagnostics.ask(user.platform)
    return pages.redirect(user.request, "/system", notice="examining")


@routes.post("/system/keys")
async def create_key(user: Admin, form: Sent) -> Response:
    """Create an API key and show its secret once."""
    scopes = frozenset(scope for scope in Scope if scope.value in form.all("scope"))
    _, secret = await keys.create(
        user.platform, user.workspace_id, name=form.text("name"), scopes=scopes
    )
    values = await _values(user)
    return pages.for_user(user, "system.html", active="system", new_secret=secret, **values)


@routes.post("/system/keys/{key_id}/revoke")
async def revoke_key(user: Admin, key_id: str) -> Response:
    """Revoke an API key."""
    await keys.revoke(user.platform, user.workspace_id, key_id)
    return pages.redirect(user.request, "/system", notice="revoked")


async def _values(user: User) -> dict[str, Any]:
    found = await keys.list_all(user.platform, user.workspace_id)
    return {
        **await _workers(user),
        "facts": await system.facts(user.platform, user.workspace_id),
        "kept": _kept(user.platform.settings),
        "prune_hour": user.platform.settings.prune_hour,
        "pruned": await retention.last(user.platform),
        "kinds": _KINDS,
        "keys": found if user.is_admin else [key for key in found if key.id == user.key.id],
        "scopes": [scope.value for scope in Scope],
        "settings": _settings(user.platform.settings) if user.is_admin else [],
    }


async def _workers(user: User) -> dict[str, Any]:
    return {
        "workers": await overview.workers(user.platform),
        "queue": await overview.queue(user.platform, user.workspace_id),
        "reasons": await health.readiness(user.platform),
    }


def _kept(settings: Settings) -> list[tuple[str, str]]:
    """What is retained, and for how long."""
    lives = (
        ("Runs, logs, results", settings.run_retention, "forever"),
        ("Traces, files", settings.file_retention, "forever"),
        ("Unused deployments", settings.unused_retention, "until the next pruning"),
    )
    return [(what, formatting.duration(life) if life else zero) for what, life, zero in lives]


def _settings(settings: Settings) -> list[tuple[str, str, bool]]:
    """Each setting's variable, its value, and whether that is the default."""
    found: list[tuple[str, str, bool]] = []
    for item in dataclasses.fields(Settings):
        value = getattr(settings, item.name)
        is_default = value == item.default
        is_hidden = _is_secret(item.name) or item.name in _LONG
        text = "set" if value and is_hidden else _text(item.name, value)
        found.append((f"RUNWRIGHT_{item.name.upper()}", text, is_default))
    return found


def _is_secret(name: str) -> bool:
    return name in _SECRET or name.endswith(("_key", "_token"))


def _text(name: str, value: object) -> str:
    if isinstance(value, timedelta):
        return formatting.duration(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and name.endswith("_bytes"):
        return formatting.size(value)
    return "not set" if value in (None, ()) else str(value)
