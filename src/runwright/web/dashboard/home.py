"""The first page: what is carried out, what waits, what failed and why, how it went over time."""

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
from runwright.web.dashboard.kit.identity import Viewer, Visitor
from runwright.web.dashboard.kit.route import Route

routes = APIRouter(route_class=Route)

_PARTS = ("asked", "now", "active", "failures", "charts")


@routes.get("/")
async def home(visitor: Viewer) -> Response:
    """Show how the workspace goes."""
    values = await _values(visitor)
    return pages.visited(visitor, "home.html", active="home", **values)


@routes.get("/events")
async def events(visitor: Viewer) -> Response:
    """Follow that page."""

    async def render() -> Mapping[str, str]:
        values = await _values(visitor)
        return {
            f"home-{part}": pages.text(
                visitor.request, f"parts/home_{part}.html", visitor=visitor, **values
            )
            for part in _PARTS
        }

    return stream.parts(visitor, render, topics=["run:*"])


def window(request: Request) -> Window:
    """Return the window that an address asks for."""
    wanted = request.query_params.get("window", "")
    return Window(wanted) if wanted in set(Window) else Window.DAY


async def _values(visitor: Visitor) -> dict[str, Any]:
    platform, workspace_id = visitor.platform, visitor.workspace_id
    chosen = window(visitor.request)
    # At once: counting the longest window takes longer than all the others.
    course, asked, queue, running, failures, workers = await asyncio.gather(
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
        "asked": asked,
        "queue": queue,
        "running": running,
        "failures": failures,
        "workers": workers,
        "charts": charts.draw(course),
    }
