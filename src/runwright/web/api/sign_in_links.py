"""The route that creates a link for signing in to the dashboard."""

from __future__ import annotations

from fastapi import APIRouter, Response
from typing_extensions import TypedDict

from runwright.control.access import dashboard_sessions
from runwright.web.server import bodies
from runwright.web.server.callers import Reader

routes = APIRouter()


class LinkAnswer(TypedDict):
    """A single-use link that signs in to the dashboard."""

    path: str
    """Relative to the server's address."""
    expiresIn: int
    """Seconds."""


@routes.post("/{workspace_id}/sign-in-links", status_code=201, response_model=LinkAnswer)
async def new_link(caller: Reader) -> Response:
    """Create a single-use link that signs in to the dashboard with the calling key."""
    secret = await dashboard_sessions.new_link(caller.platform, caller.key)
    body: LinkAnswer = {
        "path": f"/sign-in#{secret}",
        "expiresIn": int(dashboard_sessions.LINK_LIFE.total_seconds()),
    }
    return bodies.answer(body, 201)
