"""Settings of a project, as its current Deployment has them."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Response

from runwright.domain.projects import ProjectSettings
from runwright.web.dashboard.kit import formatting, pages
from runwright.web.dashboard.kit.identity import Reader
from runwright.web.dashboard.kit.registration import Link, Page
from runwright.web.dashboard.kit.route import Route

routes = APIRouter(route_class=Route)
PAGE = Page(routes=routes, tab=Link(label="Settings", path="settings"))

_SETTINGS = {
    "kind": "Format",
    "is_api_access_enabled": "API access",
    "max_concurrent_runs": "Max. concurrent runs",
    "browser": "Browser",
    "headful": "Headed browser",
    "isolation": "Isolation",
    "window_width": "Window width",
    "window_height": "Window height",
    "user_agent": "User agent",
    "ignore_https_errors": "Ignore HTTPS errors",
    "has_auth_sessions": "Auth sessions",
    "can_create_sessions": "Automatic sign-in",
    "save_session_traces": "Traces of session operations",
    "session_check_every": "Check valid for",
    "session_start_url": "Sign-in URL",
    "session_finish_url": "URL after sign-in",
    "default_maximum_attempts": "Default attempts",
    "default_request_timeout": "Default timeout",
}


@routes.get("/projects/{name}/settings")
async def show(user: Reader, name: str) -> Response:
    """Show the settings in force."""
    found = await user.project(name)
    manifest = found.manifest
    return pages.for_user(
        user,
        "settings.html",
        active="projects",
        tab="settings",
        project=found,
        manifest=manifest,
        settings=[] if manifest is None else _settings(manifest.settings),
    )


def _settings(settings: ProjectSettings) -> list[tuple[str, str, bool]]:
    """Each setting's label, its value, and whether that is the default."""
    defaults = ProjectSettings()
    known = {item.name for item in dataclasses.fields(ProjectSettings)}
    return [
        (
            label,
            _value(name, getattr(settings, name)),
            getattr(settings, name) == getattr(defaults, name),
        )
        for name, label in _SETTINGS.items()
        if name in known
    ]


def _value(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "no limit" if name == "max_concurrent_runs" else "not set"
    if isinstance(value, timedelta) or name == "session_check_every":
        return formatting.duration(value) if value else "not at all: every run checks"
    return str(value)
