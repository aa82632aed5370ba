"""The start page: running and waiting Runs, failures, and charts over time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response

from runwright.control.insight import overview
from runwright.control.insight.overview import Window
from runwright.control.runs import questions
from runwright.web.dashboard.drawing import charts
from runwright.web.dashboard.kit import pages, stream
from runwright.web.dashboard.kit.identity import Reader, User
from runwright.web.dashboard.kit.registration import Link, Page
from runwright.web.dashboard.kit.route import Route

routes = APIRouter(route_class=Route)
PAGE = Page(routes=routes, link=Link(label="Home", path="", key="h", icon="home"))

_PARTS = ("questions", "now", "active", "failures", "charts")


@routes.get("/")
async def home(user: Reader) -> Response:
    """Show the state of the workspace."""
    values = await _values(user)
    return pages.for_user(user, "home.html", active="home", **values)


@routes.get("/events")
async def events(user: Reader) -> Response:
    """Stream updates of the page."""

    async def render() -> Mapping[str, str]:
        values = await _values(user)
        return {
            f"home-{part}": pages.text(user.request, f"parts/home_{part}.html", user=user, **values)
            for part in _PARTS
        }

    return stream.parts(user, render, topics=["run:*"])


def window(request: Request) -> Window:
    """The time range that the URL asks for."""
    wanted = request.query_params.get("window", "")
    return Window(wanted) if wanted in set(Window) else Window.DAY


async def _values(user: User) -> dict[str, Any]:
    platform, workspace_id = user.platform, user.workspace_id
    chosen = window(user.request)
    # Concurrently: counting the longest range takes longer than all other queries.
    course, open_questions, queue, running, failures, workers = await asyncio.gather(
        overview.course(platform, workspace_id, chosen),
        questions.open_of_workspace(platform, workspace_id),
        overview.queue(platform, workspace_id),
        overview.active(platform, workspace_id),
        overview.failures(platform, workspace_id, chosen),
        overview.workers(platform),
    )
    return {
        "window": chosen,
        "windows": list(Window),
        "questions": open_questions,
        "queue": queue,
        "running": running,
        "failures": failures,
        "workers": workers,
        "charts": charts.draw(course),
    }
