"""A site on loopback with a sign-in, and a project that signs in to it; the site counts what it sees."""

from __future__ import annotations

import contextlib
import http.cookies
import http.server
import secrets
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from helpers.server import answering

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
    tries: int = 0
    """How often the form was sent."""
    signs_nobody_in: bool = False
    """The form goes through and the cookie is no good."""
    opens: threading.Event = field(default_factory=threading.Event)
    """Cleared: the form does not answer until it is set."""
    rolls: bool = False
    """Every visit gives a new cookie, and the old one is no good any more."""

    def reset(self) -> None:
        """Be as new."""
        for seen in (self.signed_in, self.given, self.visits):
            seen.clear()
        self.tries = 0
        self.signs_nobody_in = self.rolls = False
        self.opens.set()

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
    with answering(_handler(site)) as address:
        site.url = address
        try:
            yield site
        finally:
            site.opens.set()


def _handler(site: Site) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(*(_home(site, self.headers) if self.path == "/home" else (_FORM, None)))

        def do_POST(self) -> None:
            length = int(self.headers.get("content-length", 0))
            self._answer(*_sign_in(site, parse_qs(self.rfile.read(length).decode())))

        def _answer(self, body: str, cookie: str | None) -> None:
            # Who asked may be gone by now, killed in the middle.
            with contextlib.suppress(ConnectionError):
                self.send_response(200)
                self.send_header("content-type", "text/html; charset=utf-8")
                if cookie is not None:
                    self.send_header("set-cookie", f"sid={cookie}; Path=/; HttpOnly; Max-Age=86400")
                self.end_headers()
                self.wfile.write(body.encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its own name
            """Say nothing."""

    return Handler


def _home(site: Site, headers: Any) -> tuple[str, str | None]:
    cookie = http.cookies.SimpleCookie(headers.get("cookie", "")).get("sid")
    value = "" if cookie is None else cookie.value
    if value not in site.signed_in:
        site.visits.append("signed out")
        return "<!doctype html><h1>Go away</h1>", None
    site.visits.append("signed in")
    if not site.rolls:
        return "<!doctype html><h1>Welcome</h1>", None
    site.signed_in.discard(value)
    return "<!doctype html><h1>Welcome</h1>", site.sign_in()


def _sign_in(site: Site, form: dict[str, list[str]]) -> tuple[str, str | None]:
    site.tries += 1
    site.opens.wait(60)
    if form.get("user") == [USER] and form.get("password") == [PASSWORD]:
        return "<!doctype html><h1>Signed in</h1>", site.sign_in()
    return "<!doctype html><h1>Wrong</h1>", None


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
