"""All pages of the dashboard."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from runwright.errors import NotFound
from runwright.web.dashboard import home, palette, sign_in, system
from runwright.web.dashboard.jobs import job_runs, jobs
from runwright.web.dashboard.kit import assets, pages
from runwright.web.dashboard.kit.registration import Page
from runwright.web.dashboard.kit.route import HEADERS, is_navigation
from runwright.web.dashboard.project import (
    auth_sessions,
    deliveries,
    deployments,
    openapi,
    project_settings,
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

_PAGES: tuple[Page, ...] = (
    assets.PAGE,
    sign_in.PAGE,
    home.PAGE,
    projects.PAGE,
    run_table.PAGE,
    run.PAGE,
    live_view.PAGE,
    run_files.PAGE,
    playground.PAGE,
    jobs.PAGE,
    job_runs.PAGE,
    auth_sessions.PAGE,
    recorder.PAGE,
    deliveries.PAGE,
    deployments.PAGE,
    variables.PAGE,
    project_settings.PAGE,
    openapi.PAGE,
    system.PAGE,
    trace_viewer.PAGE,
)
"""Links and tabs appear in this order."""


def fallback(otherwise: ASGIApp) -> ASGIApp:
    """Answer unknown URLs: with a page for browsers, and with `otherwise` for other clients."""

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
    """Build the dashboard's router, for the origin's root beside the HTTP API."""
    links = [page.link for page in _PAGES if page.link is not None]
    tabs = [page.tab for page in _PAGES if page.tab is not None]
    pages.add_links(links, tabs)
    found = APIRouter(include_in_schema=False)
    for page in _PAGES:
        found.include_router(page.routes)
    found.include_router(palette.make(links, tabs))
    return found
