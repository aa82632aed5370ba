"""The path prefix under which a reverse proxy exposes the server: the `X-Forwarded-Prefix` header.

It changes links and the cookie's path in the response to that request, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_MAX_LENGTH = 200

_Scope = MutableMapping[str, Any]


class Mounted:
    """Serves an application below the prefix that a proxy sends, whether or not the proxy strips it from the path."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(
        self,
        scope: _Scope,
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        """Serve one connection."""
        if scope["type"] in ("http", "websocket") and (prefix := _prefix(scope)):
            path: str = scope["path"]
            is_whole = path == prefix or path.startswith(f"{prefix}/")
            scope = {**scope, "root_path": prefix, "path": path if is_whole else prefix + path}
        await self._app(scope, receive, send)


def _prefix(scope: _Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-forwarded-prefix":
            text = value.decode("latin-1").rstrip("/")
            return text if len(text) <= _MAX_LENGTH and _PREFIX.fullmatch(text) else ""
    return ""
