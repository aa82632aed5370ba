"""The web application: one set of routes under two mounts, and the routes outside them."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import FastAPI, Request, Response
from typing_extensions import TypedDict

import runwright
from runwright.control.base.platform import Platform
from runwright.control.insight import health
from runwright.errors import NotImplementedYet
from runwright.web.api import (
    auth_sessions,
    deliveries,
    deployments,
    drift,
    gateway,
    job_runs,
    jobs,
    live,
    retention,
    runs,
    runtime_api,
    schedules,
    sign_in_links,
    variables,
)
from runwright.web.dashboard import routes as dashboard
from runwright.web.server import bodies, errors, metrics, mounts
from runwright.web.server.callers import Starter
from runwright.web.server.limits import Limited
from runwright.web.server.relay import Relay
from runwright.web.server.waits import Waits
from runwright.web.wire import common

_MOUNTS = (("/api/v1/workspace", 200), ("/sdk/v1/workspace", 201))
_MOUNTED = (
    deployments.routes,
    variables.routes,
    auth_sessions.routes,
    deliveries.routes,
    schedules.routes,
    jobs.routes,
    job_runs.routes,
    drift.routes,
    retention.routes,
    sign_in_links.routes,
    live.routes,
)


class Readiness(TypedDict):
    """Whether a Run would be executed now, and if not, why."""

    status: Literal["ready", "not ready"]
    reasons: list[str]


def create(platform: Platform) -> Any:
    """The ASGI application of one installation."""
    documented: dict[int | str, dict[str, Any]] = {
        status: {"model": common.ErrorBody, "description": description}
        for status, description in (
            ("4XX", "The request is at fault."),
            ("5XX", "Runwright is at fault."),
        )
    }
    app = FastAPI(
        title="Runwright",
        version=runwright.__version__,
        docs_url=None,
        redoc_url=None,
        responses=documented,
        redirect_slashes=False,
    )
    app.state.platform = platform
    app.state.relay = Relay(platform)
    app.state.gateway = gateway.Gateway(platform.settings)
    app.state.meters = meters = metrics.Meters(platform)
    errors.install(app)
    for prefix, start_status in _MOUNTS:
        app.include_router(runs.router(start_status), prefix=prefix, tags=[prefix])
        for routes in _MOUNTED:
            app.include_router(routes, prefix=prefix, tags=[prefix])
        app.add_api_route(f"{prefix}/{{workspace_id}}/web-tasks/start", web_task, methods=["POST"])
        path = f"{prefix}/{{workspace_id}}/web-tasks/{{task_id}}/result"
        app.add_api_route(path, web_task, methods=["GET"])
    app.include_router(job_runs.links)
    app.include_router(runtime_api.routes)
    app.include_router(gateway.routes)
    app.include_router(live.open_routes)
    app.include_router(metrics.routes)
    app.add_api_route("/healthz", healthz, response_model=dict[str, str])
    app.add_api_route(
        "/readyz", readyz, response_model=Readiness, responses={503: {"model": Readiness}}
    )
    app.include_router(dashboard.router())
    app.router.default = dashboard.fallback(app.router.default)
    limited = Limited(
        app, Waits(app), platform.settings, lambda reason: meters.refusals.labels(reason).inc()
    )
    return errors.Guard(mounts.Mounted(metrics.Metered(limited, meters)))


async def web_task(caller: Starter) -> Response:
    """Refuse a web task: nothing can execute one yet."""
    raise NotImplementedYet(
        f"Web tasks are not implemented yet in workspace {caller.workspace_id}: "
        "write an automation and start it with `run/start`."
    )


async def healthz() -> Response:
    """Report that the server is alive."""
    return bodies.answer({"status": "alive"})


async def readyz(request: Request) -> Response:
    """Report whether a Run would be executed now."""
    reasons = await health.readiness(request.app.state.platform)
    body: Readiness = {"status": "not ready" if reasons else "ready", "reasons": reasons}
    return bodies.answer(body, 503 if reasons else 200)
