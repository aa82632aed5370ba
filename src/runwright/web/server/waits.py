"""Which requests ask for a late response: decided by the route that will serve them, not by the look of the URL."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Generator, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import compile_path

_WAIT = "wait"
_STREAM = "/events"
_Scope = MutableMapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Route:
    pattern: re.Pattern[str]
    methods: frozenset[str]
    is_stream: bool
    may_wait: bool
    """The route has a parameter for how long to wait."""


class Waits:
    """The routes of an application, to look up whether one of them waits."""

    def __init__(self, app: FastAPI) -> None:
        """Read the routes of an application that already has all of them."""
        self._routes = list(_routes(app))

    def is_asked(self, scope: _Scope) -> bool:
        """True when the request asks for a late response, which costs little meanwhile."""
        seconds = _seconds(scope["query_string"])
        path = path_of(scope)
        if not seconds and not path.endswith(_STREAM):
            # Nearly all requests end here, without a lookup.
            return False
        route = self._route(scope["method"], path)
        return route is not None and (route.is_stream or (route.may_wait and seconds > 0))

    def _route(self, method: str, path: str) -> _Route | None:
        """The first route that matches, as in the router."""
        return next(
            (
                route
                for route in self._routes
                if method in route.methods and route.pattern.match(path)
            ),
            None,
        )


def path_of(scope: _Scope) -> str:
    """The path used for routing, without the prefix that a proxy sends."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def _routes(app: FastAPI) -> Generator[_Route]:
    for context in iter_route_contexts(app.routes):
        path, endpoint = context.path, context.endpoint
        if path is None or endpoint is None or not context.methods:
            continue
        yield _Route(
            pattern=compile_path(path)[0],
            methods=frozenset(context.methods),
            is_stream=path.endswith(_STREAM),
            may_wait=_WAIT in inspect.signature(endpoint).parameters,
        )


def _seconds(query: bytes) -> float:
    """The seconds that the parameter asks for; 0 when absent, or invalid and refused later anyway."""
    if _WAIT.encode() not in query:
        return 0.0
    given = parse_qs(query.decode("latin-1")).get(_WAIT, ["0"])[-1]
    try:
        seconds = float(given)
    except ValueError:
        return 0.0
    return max(seconds, 0.0) if math.isfinite(seconds) else 0.0
