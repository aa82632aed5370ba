"""A door to a bucket that can be shut: HTTP to whatever is behind it, while it is open."""

from __future__ import annotations

import http.client
import http.server
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from helpers.server import answering

_REFUSAL = b"<Error><Code>InvalidAccessKeyId</Code><Message>Not one of ours.</Message></Error>"
_HOP_BY_HOP = {"transfer-encoding", "content-length", "connection", "date", "server"}


@dataclass(eq=False, kw_only=True)
class Door:
    """How it stands."""

    url: str = ""
    is_cut: bool = False
    """Every connection breaks."""
    is_refusing: bool = False
    """Every request is a 403."""


@contextmanager
def to(target: str) -> Generator[Door]:
    """Stand before that address until the block ends."""
    door = Door()
    known = {"door": door, "target": urlsplit(target).netloc}
    with answering(type("Handler", (_Handler,), known)) as door.url:
        yield door


class _Handler(http.server.BaseHTTPRequestHandler):
    door: Door
    target: str

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its own name
        """Say nothing."""

    def _pass(self) -> None:
        if self.door.is_cut:
            return
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.door.is_refusing:
            self._answer(403, {}, _REFUSAL)
            return
        behind = http.client.HTTPConnection(self.target, timeout=30)
        behind.request(self.command, self.path, body or None, dict(self.headers))
        found = behind.getresponse()
        self._answer(found.status, dict(found.getheaders()), found.read())
        behind.close()

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        is_head = self.command == "HEAD"
        self.send_header(
            "content-length", headers.get("Content-Length", "0") if is_head else str(len(body))
        )
        self.end_headers()
        if not is_head:
            self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass  # noqa: N815 - http.server's names
