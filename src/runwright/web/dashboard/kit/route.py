"""Shared by all dashboard routes: protection from forged requests, security headers, error pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote, urlsplit

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute

from runwright.errors import Forbidden, NotFound, PlatformError, RequestError
from runwright.web.dashboard.kit import identity, pages
from runwright.web.server import errors

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "font-src 'self'; connect-src 'self'; frame-src 'self'; manifest-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=()",
    "cache-control": "no-store",
}
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class Route(APIRoute):
    """A dashboard route; headers that a handler sets itself are kept."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        """Wrap the handler with the shared behavior."""
        inner = super().get_route_handler()

        async def handler(request: Request) -> Response:
            response = await _answer(request, inner)
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
            return response

        return handler


async def _answer(request: Request, inner: Callable[[Request], Awaitable[Response]]) -> Response:
    try:
        refuse_forged(request)
        return await inner(request)
    except identity.NotSignedIn as error:
        return _to_sign_in(request) if is_navigation(request) else _problem(error)
    except RequestValidationError:
        return await pages.problem(request, NotFound())
    except (RequestError, PlatformError) as error:
        return await pages.problem(request, error) if is_navigation(request) else _problem(error)
    except Exception as error:
        if not is_navigation(request):
            raise
        return pages.failed(request, errors.told(request, error))


def refuse_forged(request: Request) -> None:
    """Refuse requests that change something and come from another origin.

    Browsers state the origin in headers that pages cannot set. Without these headers the client is
    not a browser, so there is no cookie to abuse.

    Raises:
        Forbidden: the request comes from another origin.
    """
    if request.method in _SAFE_METHODS:
        return
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        is_ours = site in ("same-origin", "none")
    else:
        is_ours = origin is None or urlsplit(origin).netloc == request.headers.get("host")
    if not is_ours:
        raise Forbidden("This request came from another site and was refused.")


def is_navigation(request: Request) -> bool:
    """True when a browser navigates to a page; false for requests by scripts."""
    mode = request.headers.get("sec-fetch-mode")
    if mode is not None:
        return mode == "navigate"
    return "text/html" in request.headers.get("accept", "")


def _to_sign_in(request: Request) -> Response:
    place = request.url.path.removeprefix(identity.mount(request))
    if request.url.query:
        place += f"?{request.url.query}"
    wanted = "" if place == "/" or request.method != "GET" else f"?next={quote(place)}"
    return RedirectResponse(f"{identity.mount(request)}/sign-in{wanted}", 303)


def _problem(error: RequestError | PlatformError) -> Response:
    return pages.plain(error.message, error.status)
