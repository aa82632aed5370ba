"""How to call a project's Apis: `curl` commands, schemas and the OpenAPI document."""

from __future__ import annotations

import json
import shlex
from typing import Any

from fastapi import APIRouter, Response

from runwright.domain.projects import Api
from runwright.web.dashboard.kit import pages
from runwright.web.dashboard.kit.identity import Reader
from runwright.web.dashboard.kit.registration import Link, Page
from runwright.web.dashboard.kit.route import Route
from runwright.web.server import project_document

routes = APIRouter(route_class=Route)
PAGE = Page(routes=routes, tab=Link(label="OpenAPI", path="openapi"))


@routes.get("/projects/{name}/openapi")
async def document(user: Reader, name: str) -> Response:
    """Show how to call each Api, and the OpenAPI document."""
    found = await user.project(name)
    manifest = found.manifest
    apis = () if manifest is None else manifest.apis
    platform, request = user.platform, user.request
    origin = platform.settings.url or str(request.base_url).rstrip("/")
    base = f"{origin}/api/v1/workspace/{user.workspace_id}/projects/{found.name}"
    return pages.for_user(
        user,
        "openapi.html",
        active="projects",
        tab="openapi",
        project=found,
        apis=[(api, _call(api, base)) for api in apis],
        base=base,
        document=project_document.make(found, base) if apis else None,
    )


def _call(api: Api, base: str) -> str:
    """Write the `curl` command that starts an Api with its first sample."""
    parameters = next(iter(api.samples.values()), dict[str, Any]())
    body = json.dumps({"api": api.name, "parameters": parameters}, ensure_ascii=False)
    return (
        f'curl -X POST "{base}/run/start" \\\n'
        '  -H "content-type: application/json" -H "x-api-key: $RUNWRIGHT_API_KEY" \\\n'
        f"  -d {shlex.quote(body)}"
    )
