"""Deliveries: targets, tries with their responses, and resending."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Response

from runwright.control.deliveries import deliveries
from runwright.domain.deliveries.deliveries import DeliveryStatus
from runwright.web.dashboard.kit import pages, stream
from runwright.web.dashboard.kit.forms import Sent
from runwright.web.dashboard.kit.identity import Operator, Reader, User
from runwright.web.dashboard.kit.registration import Link, Page
from runwright.web.dashboard.kit.route import Route

routes = APIRouter(route_class=Route)
PAGE = Page(routes=routes, tab=Link(label="Deliveries", path="deliveries"))

_PAGE = 50
_TOPICS = ("deliveries", "delivery:*")


@routes.get("/projects/{name}/deliveries")
async def show_all(user: Reader, name: str) -> Response:
    """List the Deliveries of a project."""
    values = await _list(user, name)
    return pages.for_user(user, "deliveries.html", active="projects", tab="deliveries", **values)


@routes.get("/projects/{name}/deliveries/events")
async def follow_all(user: Reader, name: str) -> Response:
    """Stream updates of the list."""
    await user.project(name)

    async def render() -> Mapping[str, str]:
        values = await _list(user, name)
        text = pages.text(user.request, "parts/delivery_rows.html", user=user, **values)
        return {"delivery-rows": text}

    return stream.parts(user, render, topics=_TOPICS)


@routes.get("/projects/{name}/deliveries/{delivery_id}")
async def show(user: Reader, name: str, delivery_id: str) -> Response:
    """Show a Delivery with its tries."""
    values = await _one(user, name, delivery_id)
    return pages.for_user(user, "delivery.html", active="projects", tab="deliveries", **values)


@routes.get("/projects/{name}/deliveries/{delivery_id}/events")
async def follow(user: Reader, name: str, delivery_id: str) -> Response:
    """Stream its tries."""
    await _one(user, name, delivery_id)

    async def render() -> Mapping[str, str]:
        values = await _one(user, name, delivery_id)
        text = pages.text(user.request, "parts/delivery.html", user=user, **values)
        return {"delivery": text}

    return stream.parts(user, render, topics=_TOPICS)


@routes.post("/projects/{name}/deliveries/{delivery_id}/again")
async def send_again(user: Operator, name: str, delivery_id: str, form: Sent) -> Response:
    """Resend a Delivery, to another URL if one is given."""
    project = await user.project(name)
    sent = await deliveries.send_again(
        user.platform, project.id, delivery_id, form.text("url") or None
    )
    return pages.redirect(
        user.request, f"/projects/{project.name}/deliveries/{sent.id}", notice="sent"
    )


async def _list(user: User, name: str) -> dict[str, Any]:
    project = await user.project(name)
    query = user.request.query_params
    wanted = query.get("status", "")
    status = DeliveryStatus(wanted) if wanted in set(DeliveryStatus) else None
    found, following = await deliveries.list_page(
        user.platform,
        project.id,
        run_id=query.get("run") or None,
        job_run_id=None,
        status=status,
        cursor=query.get("cursor") or None,
        limit=_PAGE,
    )
    return {
        "project": project,
        "deliveries": found,
        "following": following,
        "cursor": query.get("cursor", ""),
        "selected": "" if status is None else status.value,
        "statuses": [each.value for each in DeliveryStatus],
    }


async def _one(user: User, name: str, delivery_id: str) -> dict[str, Any]:
    project = await user.project(name)
    found, tries = await deliveries.get(user.platform, project.id, delivery_id)
    return {"project": project, "delivery": found, "tries": tries}
