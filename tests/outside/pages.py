"""Pages on loopback for automations under test."""

from __future__ import annotations

import http.server
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from helpers.server import answering


@contextmanager
def serving(pages: dict[str, str]) -> Generator[str]:
    """Serve HTML, or PDF, by path until the block ends; yield the address. Any other path is a 404."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = pages.get(self.path)
            self.send_response(404 if page is None else 200)
            kind = "application/pdf" if self.path.endswith(".pdf") else "text/html; charset=utf-8"
            self.send_header("content-type", kind)
            self.end_headers()
            self.wfile.write((page or "").encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its own name
            """Say nothing."""

    with answering(Handler) as address:
        yield address
