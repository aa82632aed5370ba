"""The web application: one set of routes under two mounts, and what is outside of them."""

from __future__ import annotations

import json
from typing import Any

from fastapi import FastAPI, Request, Response

import runwright
from runwright.control import health
from runwright.control.platform import Platform
from runwright.web import deployments, errors, runs, wire

_MOUNTS = (("/api/v1/workspace", 200), ("/sdk/v1/workspace", 201))
_ERRORS = (400, 401, 403, 404, 405, 409, 413, 415, 500, 503)


def create(platform: Platform) -> Any:
    """Return the ASGI application of one installation."""
    documented: dict[int | str, dict[str, Any]] = {
        status: {"model": wire.ErrorBody} for status in _ERRORS
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
    errors.install(app)
    for prefix, start_status in _MOUNTS:
        app.include_router(runs.router(start_status), prefix=prefix, tags=[prefix])
        app.include_router(deployments.router(), prefix=prefix, tags=[prefix])
    _add_health(app)
    return errors.Guard(app)


def _add_health(app: FastAPI) -> None:
    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz")
    async def readyz(request: Request) -> Response:
        reasons = await health.readiness(request.app.state.platform)
        body = {"status": "not ready" if reasons else "ready", "reasons": reasons}
        return Response(json.dumps(body), 503 if reasons else 200, media_type="application/json")
