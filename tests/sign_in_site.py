"""A site on loopback that people sign in to, and a project that does so; what it sees is counted."""

from __future__ import annotations

import http.cookies
import http.server
import secrets
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

USER, PASSWORD = "anna@example.com", "c0rrect-h0rse-battery"
_FORM = (
    "<!doctype html><title>Sign in</title><form method=post action=/sign-in>"
    "<input name=user><input name=password type=password><button>Sign in</button></form>"
)


@dataclass(eq=False, kw_only=True)
class Site:
    """The site and what it has seen."""

    url: str
    signed_in: set[str] = field(default_factory=set[str])
    """Values of cookies that are good."""
    given: list[str] = field(default_factory=list[str])
    """Every value it ever gave."""
    visits: list[str] = field(default_factory=list[str])
    """Who came to `/home`: `signed in` or `signed out`."""
    signs_nobody_in: bool = False
    """The form goes through and the cookie is no good."""
    opens: threading.Event = field(default_factory=threading.Event)
    """Cleared: the form does not answer until it is set."""
    rolls: bool = False
    """Every visit gives a new cookie, and the old one is no good any more."""

    def sign_everyone_out(self) -> None:
        """Forget who is signed in."""
        self.signed_in.clear()

    def sign_in(self) -> str:
        """Return a new cookie."""
        value = secrets.token_urlsafe(16)
        self.given.append(value)
        if not self.signs_nobody_in:
            self.signed_in.add(value)
        return value

    @property
    def parameters(self) -> dict[str, Any]:
        """What a session of the project is made from."""
        return {"url": self.url, "user": USER, "password": PASSWORD}


@contextmanager
def serving() -> Generator[Site]:
    """Serve the site until the block ends."""
    site = Site(url="")
    site.opens.set()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            cookie = http.cookies.SimpleCookie(self.headers.get("cookie", "")).get("sid")
            is_signed_in = cookie is not None and cookie.value in site.signed_in
            if self.path != "/home":
                self._answer(_FORM)
                return
            site.visits.append("signed in" if is_signed_in else "signed out")
            fresh = None
            if is_signed_in and site.rolls:
                assert cookie is not None
                site.signed_in.discard(cookie.value)
                fresh = site.sign_in()
            self._answer(
                f"<!doctype html><h1>{'Welcome' if is_signed_in else 'Go away'}</h1>", fresh
            )

        def do_POST(self) -> None:
            length = int(self.headers.get("content-length", 0))
            form = parse_qs(self.rfile.read(length).decode())
            site.opens.wait(60)
            if form.get("user") == [USER] and form.get("password") == [PASSWORD]:
                self._answer("<!doctype html><h1>Signed in</h1>", site.sign_in())
            else:
                self._answer("<!doctype html><h1>Wrong</h1>")

        def _answer(self, body: str, cookie: str | None = None) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html; charset=utf-8")
            if cookie is not None:
                self.send_header("set-cookie", f"sid={cookie}; Path=/; HttpOnly; Max-Age=86400")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its own name
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield site
    finally:
        site.opens.set()
        server.shutdown()
        thread.join()
        server.server_close()


def project(site: Site, **more: str) -> dict[str, str]:
    """Return the files of a project that signs in to the site; `more` by path replaces and adds."""
    return {
        "pyproject.toml": "[tool.runwright.auth_sessions]\nenabled = true\n",
        "auth-sessions/create.py": (
            "async def create(page, params):\n"
            "    print('signing in as', params['user'], params['password'])\n"
            "    await page.goto(params['url'])\n"
            "    await page.fill('[name=user]', params['user'])\n"
            "    await page.fill('[name=password]', params['password'])\n"
            "    await page.click('button')\n"
            "    heading = await page.inner_text('h1')\n"
            "    if heading != 'Signed in':\n"
            "        raise ValueError(f'refused {params[\"password\"]}: {heading}')\n"
        ),
        "auth-sessions/check.py": (
            "async def check(page):\n"
            f"    await page.goto('{site.url}/home')\n"
            "    return await page.inner_text('h1') == 'Welcome'\n"
        ),
        "api/home.py": (
            "async def automation(page, params):\n"
            f"    await page.goto('{site.url}/home')\n"
            "    return await page.inner_text('h1')\n"
        ),
        **more,
    }
