"""A site on loopback with a password and a one-time code, as the two-factor example expects."""

from __future__ import annotations

import http.server
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs

from helpers.server import answering
from pyotp.totp import TOTP


class _Code(TOTP):
    min_secret_length_bits = 0


USER, PASSWORD, SECRET = "berta", "l0ng-and-dull", "JBSWY3DPEHPK3PXP"
_COOKIE = "member=a-token-of-some-length"
_PASSWORD_FORM = (
    "<form method=post action=/code><label>User <input name=user></label>"
    "<label>Password <input name=password type=password></label><button>Next</button></form>"
)
_CODE_FORM = (
    "<form method=post action=/done><label>Code <input name=code></label>"
    "<button>Sign in</button></form>"
)


@contextmanager
def serving() -> Generator[str]:
    """Serve the site until the block ends; yield its address."""
    with answering(_Handler) as address:
        yield address


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        is_member = _COOKIE in self.headers.get("cookie", "")
        self._answer(f"Signed in as {USER}" if is_member else _PASSWORD_FORM)

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        if self.path == "/code":
            is_known = form == {"user": [USER], "password": [PASSWORD]}
            self._answer(_CODE_FORM if is_known else "No")
        elif _Code(SECRET).verify(form.get("code", [""])[0]):
            self._answer(f"Signed in as {USER}", _COOKIE)
        else:
            self._answer("No")

    def _answer(self, body: str, cookie: str | None = None) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html; charset=utf-8")
        if cookie is not None:
            self.send_header("set-cookie", cookie)
        self.end_headers()
        self.wfile.write(f"<!doctype html><main>{body}</main>".encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its own name
        """Say nothing."""
