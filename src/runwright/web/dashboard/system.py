"""The system: Workers, their Runners and machines, the database, the disk, versions, settings, keys."""

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
from runwright.web.dashboard.kit.identity import Administrator, Viewer, Visitor
from runwright.web.dashboard.kit.route import Route

routes = APIRouter(route_class=Route)

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
async def show(visitor: Viewer) -> Response:
    """Show how the installation is."""
    return pages.visited(visitor, "system.html", active="system", **await _values(visitor))


@routes.get("/system/events")
async def events(visitor: Viewer) -> Response:
    """Follow that page's Workers."""

    async def render() -> Mapping[str, str]:
        values = await _workers(visitor)
        text = pages.text(visitor.request, "parts/system_workers.html", visitor=visitor, **values)
        return {"system-workers": text}

    return stream.parts(visitor, render)


@routes.post("/system/examine")
async def examine(visitor: Administrator) -> Response:
    """Have every Worker examine its machine."""
    await diagnostics.ask(visitor.platform)
    return pages.go(visitor.request, "/system", said="examining")


@routes.post("/system/keys")
async def create_key(visitor: Administrator, form: Sent) -> Response:
    """Make an API key and show its secret, this once."""
    scopes = frozenset(scope for scope in Scope if scope.value in form.all("scope"))
    _, secret = await keys.create(
        visitor.platform, visitor.workspace_id, name=form.text("name"), scopes=scopes
    )
    values = await _values(visitor)
    return pages.visited(visitor, "system.html", active="system", new_secret=secret, **values)


@routes.post("/system/keys/{key_id}/revoke")
async def revoke_key(visitor: Administrator, key_id: str) -> Response:
    """Make an API key worthless."""
    await keys.revoke(visitor.platform, visitor.workspace_id, key_id)
    return pages.go(visitor.request, "/system", said="revoked")


async def _values(visitor: Visitor) -> dict[str, Any]:
    found = await keys.list_all(visitor.platform, visitor.workspace_id)
    return {
        **await _workers(visitor),
        "facts": await system.facts(visitor.platform, visitor.workspace_id),
        "kept": _kept(visitor.platform.settings),
        "prune_hour": visitor.platform.settings.prune_hour,
        "pruned": await retention.last(visitor.platform),
        "kinds": _KINDS,
        "keys": found if visitor.is_admin else [key for key in found if key.id == visitor.key.id],
        "scopes": [scope.value for scope in Scope],
        "settings": _settings(visitor.platform.settings) if visitor.is_admin else [],
    }


async def _workers(visitor: Visitor) -> dict[str, Any]:
    return {
        "workers": await overview.workers(visitor.platform),
        "queue": await overview.queue(visitor.platform, visitor.workspace_id),
        "reasons": await health.readiness(visitor.platform),
    }


def _kept(settings: Settings) -> list[tuple[str, str]]:
    """Return what is kept, and for how long."""
    lives = (
        ("Runs, logs, results", settings.run_retention, "forever"),
        ("Traces, files", settings.file_retention, "forever"),
        ("Unused deployments", settings.unused_retention, "until the next pruning"),
    )
    return [(what, formatting.duration(life) if life else zero) for what, life, zero in lives]


def _settings(settings: Settings) -> list[tuple[str, str, bool]]:
    """Return each setting by its variable, its value, and whether that is the default."""
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
