"""A reverse proxy that serves a server under a path, like nginx with `proxy_pass`."""

from __future__ import annotations

import contextlib
import http.server
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from helpers.server import answering

_CHUNK_BYTES = 65_536
_HOP = ("connection", "keep-alive", "proxy-connection")


@dataclass(kw_only=True)
class SubPath:
    """Where the server is seen, and what was asked for beside it."""

    url: str
    strays: list[str] = field(default_factory=list[str])
    """Requests for addresses outside of the path."""
    upgrades: list[str] = field(default_factory=list[str])
    """WebSockets that went through."""


@contextmanager
def serving(port: int, path: str) -> Generator[SubPath]:
    """Show the server of a port below the path until the block ends."""
    found = SubPath(url="")

    class Handler(http.server.BaseHTTPRequestHandler):
        def _pass(self) -> None:
            if not self.path.startswith(f"{path}/"):
                found.strays.append(self.path)
                self.send_error(404)
                return
            self.close_connection = True
            with contextlib.suppress(OSError):
                _carry(self, port, path, found)

        do_GET = do_POST = do_HEAD = do_PUT = do_DELETE = _pass  # noqa: N815 - their own names

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its own name
            """Say nothing."""

    with answering(Handler) as address:
        found.url = f"{address}{path}"
        yield found


def _carry(
    request: http.server.BaseHTTPRequestHandler, port: int, path: str, found: SubPath
) -> None:
    """Send a request on with its path cut off, and carry bytes both ways until either side ends."""
    is_upgrade = request.headers.get("upgrade", "").lower() == "websocket"
    if is_upgrade:
        found.upgrades.append(request.path)
    kept = [
        f"{name}: {value}"
        for name, value in request.headers.items()
        if is_upgrade or name.lower() not in _HOP
    ]
    told = [*kept, f"X-Forwarded-Prefix: {path}", *([] if is_upgrade else ["Connection: close"])]
    head = f"{request.command} {request.path.removeprefix(path)} HTTP/1.1\r\n"
    with socket.create_connection(("127.0.0.1", port)) as far:
        far.sendall((head + "\r\n".join(told) + "\r\n\r\n").encode("latin-1"))
        if length := int(request.headers.get("content-length", 0)):
            far.sendall(request.rfile.read(length))
        if is_upgrade:
            threading.Thread(target=_upstream, args=(request, far), daemon=True).start()
        while data := far.recv(_CHUNK_BYTES):
            request.connection.sendall(data)


def _upstream(request: http.server.BaseHTTPRequestHandler, far: socket.socket) -> None:
    with contextlib.suppress(OSError, ValueError):
        while data := request.rfile.read1(_CHUNK_BYTES):
            far.sendall(data)
        far.shutdown(socket.SHUT_WR)
