"""Deliveries: where outcomes went, every try with what it was answered, and sending again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Response

from runwright.control.deliveries import deliveries
from runwright.domain.deliveries.deliveries import DeliveryStatus
from runwright.web.dashboard.kit import pages, stream
from runwright.web.dashboard.kit.forms import Sent
from runwright.web.dashboard.kit.identity import Operator, Viewer, Visitor
from runwright.web.dashboard.kit.route import Route

routes = APIRouter(route_class=Route)

_PAGE = 50
_TOPICS = ("deliveries", "delivery:*")


@routes.get("/projects/{name}/deliveries")
async def show_all(visitor: Viewer, name: str) -> Response:
    """Show the Deliveries of a project."""
    values = await _list(visitor, name)
    return pages.visited(visitor, "deliveries.html", active="projects", tab="deliveries", **values)


@routes.get("/projects/{name}/deliveries/events")
async def follow_all(visitor: Viewer, name: str) -> Response:
    """Follow that list."""
    await visitor.project(name)

    async def render() -> Mapping[str, str]:
        values = await _list(visitor, name)
        text = pages.text(visitor.request, "parts/delivery_rows.html", visitor=visitor, **values)
        return {"delivery-rows": text}

    return stream.parts(visitor, render, topics=_TOPICS)


@routes.get("/projects/{name}/deliveries/{delivery_id}")
async def show(visitor: Viewer, name: str, delivery_id: str) -> Response:
    """Show one Delivery with its tries."""
    values = await _one(visitor, name, delivery_id)
    return pages.visited(visitor, "delivery.html", active="projects", tab="deliveries", **values)


@routes.get("/projects/{name}/deliveries/{delivery_id}/events")
async def follow(visitor: Viewer, name: str, delivery_id: str) -> Response:
    """Follow its tries."""
    await _one(visitor, name, delivery_id)

    async def render() -> Mapping[str, str]:
        values = await _one(visitor, name, delivery_id)
        text = pages.text(visitor.request, "parts/delivery.html", visitor=visitor, **values)
        return {"delivery": text}

    return stream.parts(visitor, render, topics=_TOPICS)


@routes.post("/projects/{name}/deliveries/{delivery_id}/again")
async def send_again(visitor: Operator, name: str, delivery_id: str, form: Sent) -> Response:
    """Send a Delivery again, elsewhere if an address is given."""
    project = await visitor.project(name)
    sent = await deliveries.send_again(
        visitor.platform, project.id, delivery_id, form.text("url") or None
    )
    return pages.go(visitor.request, f"/projects/{project.name}/deliveries/{sent.id}", said="sent")


async def _list(visitor: Visitor, name: str) -> dict[str, Any]:
    project = await visitor.project(name)
    asked = visitor.request.query_params
    wanted = asked.get("status", "")
    status = DeliveryStatus(wanted) if wanted in set(DeliveryStatus) else None
    found, following = await deliveries.list_page(
        visitor.platform,
        project.id,
        run_id=asked.get("run") or None,
        job_run_id=None,
        status=status,
        cursor=asked.get("cursor") or None,
        limit=_PAGE,
    )
    return {
        "project": project,
        "deliveries": found,
        "following": following,
        "cursor": asked.get("cursor", ""),
        "status_asked": "" if status is None else status.value,
        "statuses": [each.value for each in DeliveryStatus],
    }


async def _one(visitor: Visitor, name: str, delivery_id: str) -> dict[str, Any]:
    project = await visitor.project(name)
    found, tries = await deliveries.get(visitor.platform, project.id, delivery_id)
    return {"project": project, "delivery": found, "tries": tries}
