"""A page on loopback that responds only once enough visitors are there at the same time."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from helpers.server import answering

_PATIENCE_SECONDS = 50


@contextmanager
def serving(visitors: int) -> Generator[str]:
    """Serve the page until the block ends; yield its address."""
    barrier = threading.Barrier(visitors)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = "met"
            if self.path == "/meet":
                try:
                    barrier.wait(_PATIENCE_SECONDS)
                except threading.BrokenBarrierError:
                    text = "alone"
            with contextlib.suppress(ConnectionError):
                self.send_response(200)
                self.send_header("content-type", "text/html")
                self.end_headers()
                self.wfile.write(f"<!doctype html><h1>{text}</h1>".encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its own name
            """Say nothing."""

    with answering(Handler) as address:
        try:
            yield f"{address}/meet"
        finally:
            barrier.abort()
