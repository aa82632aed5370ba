"""Which requests ask to be answered late: decided by the route that will answer, not by how the address looks."""

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
    """It has a parameter that says how long."""


class Waits:
    """The routes of an application, for looking up whether one of them waits."""

    def __init__(self, app: FastAPI) -> None:
        """Take the application once it has all its routes."""
        self._routes = list(_routes(app))

    def is_asked(self, scope: _Scope) -> bool:
        """Return whether the request asks for an answer that comes late, which costs little meanwhile."""
        seconds = _seconds(scope["query_string"])
        path = path_of(scope)
        if not seconds and not path.endswith(_STREAM):
            # Nearly all of them: nothing needs to be looked up.
            return False
        route = self._route(scope["method"], path)
        return route is not None and (route.is_stream or (route.may_wait and seconds > 0))

    def _route(self, method: str, path: str) -> _Route | None:
        """Return the first route that matches, as the router does."""
        return next(
            (
                route
                for route in self._routes
                if method in route.methods and route.pattern.match(path)
            ),
            None,
        )


def path_of(scope: _Scope) -> str:
    """Return the path that is routed by: what a proxy says stands before it does not count."""
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
    """Return what the parameter asks for; 0 where it asks for nothing, or is refused anyway."""
    if _WAIT.encode() not in query:
        return 0.0
    given = parse_qs(query.decode("latin-1")).get(_WAIT, ["0"])[-1]
    try:
        seconds = float(given)
    except ValueError:
        return 0.0
    return max(seconds, 0.0) if math.isfinite(seconds) else 0.0
