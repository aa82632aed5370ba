"""`/metrics` for Prometheus: the installation's counters from the database, and those of this process."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from runwright.adapters import disk
from runwright.control.access import keys
from runwright.control.base.platform import Platform
from runwright.control.insight.metrics import Standings
from runwright.domain.insight.metrics import Standing
from runwright.domain.projects import Scope
from runwright.errors import Forbidden, Unauthorized
from runwright.web.server import exposition

_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)
_OTHER = "other"
_MOUNT = re.compile(r"^(/\w+/v1/workspace)?/\{workspace_id\}")
_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

routes = APIRouter(tags=["operations"])


class Meters:
    """The counters of one server process."""

    def __init__(self, platform: Platform) -> None:
        self.standings = Standings(platform)
        self.registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self.registry)
        self.seconds = Histogram(
            "runwright_http_request_seconds",
            "Time from a request to the end of its response, including waits that it asked for.",
            ("method", "route"),
            buckets=_BOUNDS,
            registry=self.registry,
        )
        self.answers = Counter(
            "runwright_http_answers",
            "Responses by status.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.refusals = Counter(
            "runwright_http_refusals",
            "Requests refused, by the limit they exceeded.",
            ("reason",),
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "runwright_http_requests_in_flight",
            "Requests in progress.",
            registry=self.registry,
        )
        connections = Gauge(
            "runwright_database_connections",
            "This process's connections to the database.",
            ("state",),
            registry=self.registry,
        )
        pool = platform.database
        connections.labels("idle").set_function(pool.get_idle_size)
        connections.labels("busy").set_function(lambda: pool.get_size() - pool.get_idle_size())
        Gauge(
            "runwright_disk_free_bytes",
            "Free space on the disk of this server's data directory.",
            registry=self.registry,
        ).set_function(lambda: disk.free_bytes(platform.settings.data_dir))


class Metered:
    """Counts and times every request."""

    def __init__(self, app: Any, meters: Meters) -> None:
        self._app = app
        self._meters = meters

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 0

        async def noting(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        began = time.perf_counter()
        self._meters.in_flight.inc()
        try:
            await self._app(scope, receive, noting)
        finally:
            self._meters.in_flight.dec()
            labels = (_method(scope), _route(scope))
            self._meters.seconds.labels(*labels).observe(time.perf_counter() - began)
            # 499: the client disconnected before a response.
            self._meters.answers.labels(*labels, str(status or 499)).inc()


async def _may_read(
    request: Request,
    x_api_key: Annotated[str | None, Header()] = None,
    authorization: Annotated[str | None, Header()] = None,
) -> None:
    platform: Platform = request.app.state.platform
    scheme, _, bearer = (authorization or "").partition(" ")
    secret = x_api_key or (bearer.strip() if scheme.lower() == "bearer" else "")
    token = platform.settings.metrics_token
    if token is not None and secrets.compare_digest(secret.encode(), token.encode()):
        return
    if not secret:
        raise Unauthorized(
            "Send an API key or the metrics token as `Authorization: Bearer …` or in `x-api-key`."
        )
    key = await keys.authenticate(platform, secret)
    if not (key.allows(Scope.READ) or key.allows(Scope.RUN)):
        raise Forbidden(f"This API key lacks the scope `{Scope.READ.value}`.")


@routes.get(
    "/metrics",
    dependencies=[Depends(_may_read)],
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(request: Request) -> Response:
    """The state of the installation and this process's counters, in the Prometheus text format."""
    meters: Meters = request.app.state.meters
    standing: Standing | None = await meters.standings.now()
    body = generate_latest(exposition.registry(standing)) + generate_latest(meters.registry)
    return Response(body, media_type=CONTENT_TYPE_LATEST)


def _method(scope: _Scope) -> str:
    method = scope["method"]
    return method if method in ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS") else _OTHER


def _route(scope: _Scope) -> str:
    """The route's pattern as in the reference: without ids, mount and workspace."""
    path: str = getattr(scope.get("route"), "path", _OTHER)
    return _MOUNT.sub("", path)
