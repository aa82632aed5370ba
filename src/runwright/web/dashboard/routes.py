"""All addresses of the dashboard."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from runwright.errors import NotFound
from runwright.web.dashboard import home, palette, sign_in, system
from runwright.web.dashboard.jobs import job_runs, jobs
from runwright.web.dashboard.kit import assets, pages
from runwright.web.dashboard.kit.route import HEADERS, is_navigation
from runwright.web.dashboard.project import (
    auth_sessions,
    deliveries,
    deployments,
    projects,
    recorder,
    variables,
)
from runwright.web.dashboard.run import (
    live_view,
    playground,
    run,
    run_files,
    run_table,
    trace_viewer,
)

_PARTS = (
    assets,
    sign_in,
    home,
    palette,
    projects,
    recorder,
    run_table,
    run,
    live_view,
    run_files,
    playground,
    auth_sessions,
    deliveries,
    deployments,
    jobs,
    job_runs,
    variables,
    system,
    trace_viewer,
)


def fallback(otherwise: ASGIApp) -> ASGIApp:
    """Return what answers where there is nothing: a page for a browser, to others the usual answer."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not is_navigation(Request(scope, receive)):
            await otherwise(scope, receive, send)
            return
        request = Request(scope, receive)
        page = await pages.problem(request, NotFound())
        page.headers.update(HEADERS)
        await page(scope, receive, send)

    return answer


def router() -> APIRouter:
    """Return the dashboard, to be put at the origin's root beside the HTTP API."""
    found = APIRouter(include_in_schema=False)
    for part in _PARTS:
        found.include_router(part.routes)
    return found
