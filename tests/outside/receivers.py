"""A webhook receiver on loopback that misbehaves on command."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from helpers.server import answering


@dataclass(eq=False, kw_only=True)
class Receiver:
    """What it has received, and what it answers."""

    url: str = ""
    received: list[tuple[dict[str, str], bytes]] = field(
        default_factory=list[tuple[dict[str, str], bytes]]
    )
    """Headers in lower case, and the body, of each request."""
    lines: list[str] = field(default_factory=list[str])
    """The first line of each."""
    answers: list[int] = field(default_factory=list[int])
    """Status codes of the next answers; none left: 200."""
    retry_after: str | None = None
    """What answers that are no success ask for."""
    misdeed: str | None = None
    """`hangs`, `waits`, `trickles`, `floods`, `closes`, `redirects` or `echoes`."""
    goes_on: threading.Event = field(default_factory=threading.Event)
    """Set: whatever hangs ends."""


@contextmanager
def serving() -> Generator[Receiver]:
    """Receive until the block ends."""
    receiver = Receiver()
    with answering(_handler(receiver)) as address:
        receiver.url = f"{address}/hook"
        try:
            yield receiver
        finally:
            receiver.goes_on.set()


def _handler(receiver: Receiver) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            body = self.rfile.read(length)
            if len(body) < length:
                # Its sender died in the middle of it.
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.received.append((headers, body))
            receiver.lines.append(self.requestline)
            with contextlib.suppress(ConnectionError):
                _answer(self, receiver)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its own name
            """Say nothing."""

    return Handler


def _answer(handler: http.server.BaseHTTPRequestHandler, receiver: Receiver) -> None:
    misdeed = receiver.misdeed
    if misdeed == "closes":
        handler.close_connection = True
        return
    if misdeed in ("hangs", "waits"):
        receiver.goes_on.wait()
    if misdeed == "trickles":
        _trickle(handler, receiver)
    if misdeed in ("hangs", "trickles"):
        return
    _send_head(handler, receiver)
    if misdeed == "floods":
        while not receiver.goes_on.is_set():
            handler.wfile.write(b"x" * 65536)
    told = f"{handler.requestline}\n{handler.headers}".encode()
    handler.wfile.write(told if misdeed == "echoes" else b"thanks")


def _send_head(handler: http.server.BaseHTTPRequestHandler, receiver: Receiver) -> None:
    is_elsewhere = receiver.misdeed == "redirects"
    status = 302 if is_elsewhere else _next(receiver)
    handler.send_response(status)
    if is_elsewhere:
        handler.send_header("location", receiver.url)
    if status >= 400 and receiver.retry_after is not None:
        handler.send_header("retry-after", receiver.retry_after)
    handler.end_headers()


def _trickle(handler: http.server.BaseHTTPRequestHandler, receiver: Receiver) -> None:
    """Send the status line itself a byte at a time."""
    for byte in b"HTTP/1.1 200 OK\r\n" * 100:
        handler.wfile.write(bytes([byte]))
        handler.wfile.flush()
        if receiver.goes_on.wait(0.5):
            return


def _next(receiver: Receiver) -> int:
    return receiver.answers.pop(0) if receiver.answers else 200
