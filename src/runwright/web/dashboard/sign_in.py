"""Sign-in with an API key or a single-use link, sign-out, and the color theme."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from runwright.control.access import dashboard_sessions
from runwright.control.base.platform import Platform
from runwright.errors import Unauthorized
from runwright.web.dashboard.kit import identity, pages
from runwright.web.dashboard.kit.forms import Form, Sent
from runwright.web.dashboard.kit.identity import User
from runwright.web.dashboard.kit.registration import Page
from runwright.web.dashboard.kit.route import Route

_THEME_SECONDS = 365 * 86_400

routes = APIRouter(route_class=Route)
PAGE = Page(routes=routes)


@routes.get("/sign-in")
async def ask(request: Request) -> Response:
    """Ask for a key; a sign-in link has its secret after `#`, out of all logs."""
    return _page(request, 200, user=await identity.find(request))


@routes.post("/sign-in")
async def sign_in(request: Request, form: Sent) -> Response:
    """Start a dashboard session."""
    platform: Platform = request.app.state.platform
    try:
        secret = await _begin(platform, form)
    except Unauthorized as error:
        is_link = form.has("link")
        message = error.message if is_link else "Unknown or revoked key."
        return _page(request, 401, message)
    answer = pages.redirect(request, _inside(form.text("next")))
    answer.set_cookie(
        identity.cookie_name(request),
        secret,
        max_age=int(platform.settings.visit_lifetime.total_seconds()),
        path=identity.mount(request) or "/",
        httponly=True,
        samesite="lax",
        secure=_is_secure(request),
    )
    return answer


@routes.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """End the dashboard session."""
    name = identity.cookie_name(request)
    if secret := request.cookies.get(name):
        await dashboard_sessions.end(request.app.state.platform, secret)
    answer = pages.redirect(request, "/sign-in")
    answer.delete_cookie(name, path=identity.mount(request) or "/")
    return answer


@routes.post("/theme")
async def choose_theme(request: Request, form: Sent) -> Response:
    """Remember the color theme."""
    wanted = form.text("theme")
    answer = pages.redirect(request, _inside(form.text("next")))
    answer.set_cookie(
        "runwright_theme",
        wanted if wanted in identity.THEMES else "auto",
        max_age=_THEME_SECONDS,
        path=identity.mount(request) or "/",
        samesite="lax",
        secure=_is_secure(request),
    )
    return answer


async def _begin(platform: Platform, form: Form) -> str:
    if form.has("link"):
        return await dashboard_sessions.redeem(platform, form.text("link"))
    return await dashboard_sessions.begin(platform, form.text("key"))


def _page(
    request: Request, status: int, error: str | None = None, user: User | None = None
) -> Response:
    wanted = _inside(request.query_params.get("next", ""))
    return pages.page(
        request, "sign_in.html", status, user=None, known=user, error=error, wanted=wanted
    )


def _inside(place: str) -> str:
    """Limit a redirect to the dashboard, never another site."""
    is_path = place.startswith("/") and not place.startswith(("//", "/\\"))
    is_plain = place.isascii() and place.isprintable() and "\\" not in place
    return place if is_path and is_plain else "/"


def _is_secure(request: Request) -> bool:
    public = request.app.state.platform.settings.url or ""
    return request.url.scheme == "https" or public.startswith("https:")
