"""Playwright's trace viewer, served from the installed package under its own security policy.

The policy allows the inline styles and images of recorded pages, but only the package's own scripts.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import re
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Depends, Response

from runwright.errors import NotFound, Unavailable
from runwright.web.dashboard.kit import identity
from runwright.web.dashboard.kit.registration import Page
from runwright.web.dashboard.kit.route import Route

routes = APIRouter(route_class=Route)
PAGE = Page(routes=routes)

_FOLDER = "driver/package/lib/vite/traceViewer"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
    ".webmanifest": "application/manifest+json",
}
_INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_HEADERS = {"cache-control": "private, max-age=600", "cross-origin-opener-policy": "unsafe-none"}


@routes.get("/trace-viewer/{path:path}", dependencies=[Depends(identity.reader)])
async def viewer(path: str) -> Response:
    """Serve a file of the viewer."""
    file = _files().get(path or "index.html")
    if file is None:
        raise NotFound
    body = file.read_bytes()
    headers = {**_HEADERS, "content-security-policy": _policy()}
    return Response(body, media_type=_TYPES[file.suffix], headers=headers)


@cache
def _files() -> dict[str, Path]:
    """The viewer's files by path; nothing else is served.

    Raises:
        Unavailable: the viewer is not in the installed Playwright.
    """
    # Not imported: only Runners use Playwright.
    package = importlib.util.find_spec("playwright")
    if package is None or package.origin is None:
        raise Unavailable("The trace viewer comes with Playwright, which is not installed here.")
    folder = Path(package.origin).parent / _FOLDER
    found = {
        str(file.relative_to(folder)): file
        for file in folder.rglob("*")
        if file.is_file() and file.suffix in _TYPES
    }
    if "index.html" not in found:
        raise Unavailable("This version of Playwright has no trace viewer in the expected place.")
    return found


@cache
def _policy() -> str:
    """The viewer's security policy, which allows its inline scripts by hash."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in _INLINE.findall(_files()["index.html"].read_text(encoding="utf-8"))
    )
    return (
        f"default-src 'none'; script-src 'self' {hashes}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; "
        "connect-src 'self' data: blob:; frame-src 'self' blob: data:; worker-src 'self'; "
        "manifest-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
    )
