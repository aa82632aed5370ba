"""A browser's signed-in state: restored into a context before an Attempt, captured from it afterwards.

Playwright's storage state covers cookies, localStorage and IndexedDB. sessionStorage belongs to a tab, so
it is restored and captured by visiting its origins in that tab, with responses from here, not the network.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, Error, Frame, Page, Route

from runwright.runner.browser.browser import Opened

AuthState = dict[str, Any]

_READ = "() => Object.entries(sessionStorage)"
_FILL = """\
({session, local}) => {
  for (const [name, value] of session) sessionStorage.setItem(name, value);
  for (const {name, value} of local) localStorage.setItem(name, value);
}
"""
_MAX_EXPIRY_DRIFT_SECONDS = 3600
_VISIT_MILLISECONDS = 10_000

Warn = Callable[[str], None]


class Visited:
    """The origins that each tab of a context has visited."""

    def __init__(self) -> None:
        self._of_page: dict[Page, dict[str, None]] = {}

    def watch(self, context: BrowserContext) -> None:
        """Follow the context's tabs."""
        context.on("page", self._follow)
        for page in context.pages:
            self._follow(page)

    def of(self, page: Page) -> list[str]:
        """The origins that the tab has visited, in order."""
        return list(self._of_page.get(page, {}))

    def _follow(self, page: Page) -> None:
        origins = self._of_page.setdefault(page, {})

        def note(frame: Frame) -> None:
            if frame.parent_frame is None and (origin := _origin(frame.url)) is not None:
                origins[origin] = None

        page.on("framenavigated", note)
        note(page.main_frame)


NEEDS_NEW_CONTEXT = not hasattr(BrowserContext, "set_storage_state")
"""Playwright before 1.59 accepts a whole state only when it creates a context."""


def stored(state: AuthState) -> dict[str, Any]:
    """The part of a state that Playwright calls a storage state."""
    return {"cookies": state.get("cookies", []), "origins": state.get("origins", [])}


async def restore(opened: Opened, state: AuthState, warn: Warn) -> None:
    """Put a state into a context and into the tab passed to the author's code.

    Raises:
        playwright.async_api.Error: the browser rejects it.
    """
    context, page = opened.context, opened.page
    local: dict[str, list[Any]] = {}
    if not opened.holds_state:
        local = await _put_storage(context, stored(state), warn)
    session = {each["origin"]: each["items"] for each in state.get("sessionStorage", [])}
    origins = [
        origin for origin in {**session, **local} if session.get(origin) or local.get(origin)
    ]
    if origins:
        await _put_items(page, origins, session, local)


async def _put_storage(
    context: BrowserContext, stored: dict[str, Any], warn: Warn
) -> dict[str, list[Any]]:
    """Put a storage state into a context; return the localStorage that still has to be put in."""
    if not NEEDS_NEW_CONTEXT:
        await context.set_storage_state(stored)  # type: ignore[arg-type]
        return {}
    await context.add_cookies(stored["cookies"])
    if any(each.get("indexedDB") for each in stored["origins"]):
        warn(
            "this project's Playwright cannot restore IndexedDB in a context from a hook: "
            "update Playwright to 1.59 or later"
        )
    return {each["origin"]: each.get("localStorage", []) for each in stored["origins"]}


async def _put_items(
    page: Page,
    origins: list[str],
    session: dict[str, dict[str, str]],
    local: dict[str, list[Any]],
) -> None:
    """Visit the origins in the tab and set their items, then clear the tab's history."""
    async with _unplugged(page):
        for origin in origins:
            await page.goto(origin, timeout=_VISIT_MILLISECONDS)
            items = {
                "session": list(session.get(origin, {}).items()),
                "local": local.get(origin, []),
            }
            await page.evaluate(_FILL, items)
        await page.goto("about:blank")
    devtools = await page.context.new_cdp_session(page)
    await devtools.send("Page.resetNavigationHistory")  # pyright: ignore[reportUnknownMemberType]
    await devtools.detach()


async def capture(
    context: BrowserContext, visited: Visited, before: AuthState | None, *, is_final: bool
) -> AuthState:
    """Capture the context's state.

    `is_final`: no more code runs and nothing is recorded, so tabs may be sent back to the origins they
    have left. Otherwise such an origin keeps its items from `before`.

    Raises:
        playwright.async_api.Error: the context or its browser is gone.
    """
    session: dict[str, dict[str, str]] = {
        each["origin"]: each["items"] for each in (before or {}).get("sessionStorage", [])
    }
    for page in context.pages:
        await _read_frames(page, session)
        if is_final:
            await _read_left(page, visited, session)
    found: AuthState = dict(await _storage_state(context))
    found["sessionStorage"] = [
        {"origin": origin, "items": items} for origin, items in session.items() if items
    ]
    return found


async def is_changed(context: BrowserContext, before: AuthState) -> bool:
    """True when the context's cookies differ from those it started with."""
    now = _cookies(list(await context.cookies()))
    known = _cookies(before.get("cookies", []))
    if now.keys() != known.keys():
        return True
    return any(
        now[key][0] != known[key][0] or abs(now[key][1] - known[key][1]) > _MAX_EXPIRY_DRIFT_SECONDS
        for key in now
    )


def has_storage(state: AuthState) -> bool:
    """True when a state has more than cookies; storage, unlike cookies, gives no sign when it changes."""
    return bool(state.get("origins") or state.get("sessionStorage"))


async def _storage_state(context: BrowserContext) -> Any:
    try:
        return await context.storage_state(indexed_db=True)
    except TypeError:
        # Playwright before 1.51 lacks `indexed_db`.
        return await context.storage_state()


async def _read_frames(page: Page, session: dict[str, dict[str, str]]) -> None:
    """Add the sessionStorage of the origins that the tab shows."""
    top = _origin(page.url)
    for frame in page.frames:
        origin = _origin(frame.url)
        # Storage of a cross-origin frame is partitioned by the page that embeds it.
        if origin is None or (frame.parent_frame is not None and origin != top):
            continue
        with contextlib.suppress(Error):
            session[origin] = dict(await frame.evaluate(_READ))


async def _read_left(page: Page, visited: Visited, session: dict[str, dict[str, str]]) -> None:
    """Add the sessionStorage of the origins that the tab has left."""
    left = [origin for origin in visited.of(page) if origin != _origin(page.url)]
    if not left or page.is_closed():
        return
    async with _unplugged(page):
        for origin in left:
            await page.goto(origin, timeout=_VISIT_MILLISECONDS)
            session[origin] = dict(await page.evaluate(_READ))


@asynccontextmanager
async def _unplugged(page: Page) -> AsyncGenerator[None]:
    """Answer every request of the tab with an empty page."""

    async def answer(route: Route) -> None:
        await route.fulfill(status=200, content_type="text/html", body="<!doctype html>")

    await page.route("**/*", answer)
    try:
        yield
    finally:
        await page.unroute("**/*", answer)


def _origin(url: str) -> str | None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        return None
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _cookies(cookies: list[Any]) -> dict[tuple[str, str, str], tuple[str, float]]:
    return {
        (each["name"], each.get("domain", ""), each.get("path", "/")): (
            each["value"],
            float(each.get("expires", -1)),
        )
        for each in cookies
    }
