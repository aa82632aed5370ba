"""Style sheets and scripts, served from memory under a URL that changes with their contents."""

from __future__ import annotations

import hashlib
from pathlib import Path

from fastapi import APIRouter, Response

from runwright.errors import NotFound
from runwright.web.dashboard.kit.registration import Page

_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FOLDER = Path(__file__).parents[1] / "static"
_FILES = {
    file.relative_to(_FOLDER).as_posix(): file.read_bytes()
    for file in sorted(_FOLDER.rglob("*"))
    if file.suffix in _TYPES
}
VERSION = hashlib.sha256(
    b"".join(name.encode() + body for name, body in _FILES.items())
).hexdigest()[:12]

routes = APIRouter()
PAGE = Page(routes=routes)


@routes.get("/assets/{version}/{name:path}")
async def asset(version: str, name: str) -> Response:
    """Serve a style sheet or script; they hold no data, so no sign-in is needed."""
    body = _FILES.get(name)
    if body is None:
        raise NotFound
    kept = "public, max-age=31536000, immutable" if version == VERSION else "no-store"
    return Response(
        body,
        media_type=_TYPES[Path(name).suffix],
        headers={"cache-control": kept, "x-content-type-options": "nosniff"},
    )
