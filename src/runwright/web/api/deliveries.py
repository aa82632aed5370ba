"""Routes of Deliveries and of the secrets that sign webhooks; all are Runwright's own."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from runwright.control.deliveries import deliveries
from runwright.web.api.runs import PROJECT
from runwright.web.server import bodies
from runwright.web.server.callers import Deployer, Reader, Starter
from runwright.web.wire import deliveries as wire

routes = APIRouter()


@routes.get(f"{PROJECT}/deliveries", response_model=wire.DeliveriesAnswer)
async def list_deliveries(
    caller: Reader, project_name: str, query: Annotated[wire.DeliveriesQuery, Query()]
) -> Response:
    """List the Deliveries of a project, newest first."""
    project = await caller.project(project_name)
    found, following = await deliveries.list_page(
        caller.platform,
        project.id,
        run_id=query.run_id,
        job_run_id=query.job_run_id,
        status=query.status,
        cursor=query.cursor,
        limit=query.limit,
    )
    page: wire.DeliveriesAnswer = {
        "deliveries": [wire.delivery_line(each) for each in found],
        "nextCursor": following,
    }
    return bodies.answer(page)


@routes.get(f"{PROJECT}/deliveries/{{delivery_id}}", response_model=wire.DeliveryAnswer)
async def show(caller: Reader, project_name: str, delivery_id: str) -> Response:
    """Get a Delivery with all its tries and their responses."""
    project = await caller.project(project_name)
    delivery, tries = await deliveries.get(caller.platform, project.id, delivery_id)
    body: wire.DeliveryAnswer = {
        "delivery": wire.delivery_line(delivery),
        "tries": [wire.try_body(each) for each in tries],
    }
    return bodies.answer(body)


@routes.post(
    f"{PROJECT}/deliveries/{{delivery_id}}/redeliver",
    response_model=wire.DeliveryLine,
    openapi_extra=bodies.documented(
        bodies.JSON, wire.RedeliverBody.model_json_schema(by_alias=True)
    ),
)
async def redeliver(
    request: Request, caller: Starter, project_name: str, delivery_id: str
) -> Response:
    """Send a Delivery again under the same id, to another address if given."""
    url = wire.parse_redeliver(await bodies.read_json(request))
    project = await caller.project(project_name)
    found = await deliveries.send_again(caller.platform, project.id, delivery_id, url)
    return bodies.answer(wire.delivery_line(found))


@routes.get(f"{PROJECT}/webhook-secret", response_model=wire.SecretAnswer)
async def secret(caller: Deployer, project_name: str) -> Response:
    """Get the secret that signs the project's webhooks."""
    project = await caller.project(project_name)
    found = await deliveries.signing_secrets(caller.platform, project.id)
    body: wire.SecretAnswer = {"secret": found[0]}
    return bodies.answer(body)


@routes.post(f"{PROJECT}/webhook-secret/rotate", response_model=wire.SecretAnswer)
async def rotate(caller: Deployer, project_name: str) -> Response:
    """Switch to a new signing secret; for a day the previous one signs too."""
    project = await caller.project(project_name)
    body: wire.SecretAnswer = {
        "secret": await deliveries.rotate_secret(caller.platform, project.id)
    }
    return bodies.answer(body)
