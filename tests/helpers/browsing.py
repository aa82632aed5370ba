"""People at the dashboard, each with their own browser context in a real Chromium."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, FrameLocator, Page, expect, sync_playwright

from helpers.server import RunwrightServer
from runwright import config
from runwright.execution.runners import browsers

_PATIENCE_MS = 30_000
"""A Runner may have to be started first, on a machine that does other things too."""
expect.set_options(timeout=_PATIENCE_MS)
_AXE = {
    "resultTypes": ["violations"],
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
}


@contextmanager
def chromium() -> Generator[Browser]:
    """Start a Chromium until the block ends."""
    settings = config.read()
    arguments = ["--no-sandbox"] if config.is_root() else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browsers.find(settings).executable(is_shell=True), args=arguments
        )
        yield browser
        browser.close()


@dataclass(kw_only=True)
class Person:
    """Somebody with a browser, and what went wrong in it."""

    page: Page
    base: str
    """Where the dashboard is."""
    complaints: list[str] = field(default_factory=list)
    """Errors of scripts, refusals of the content security policy, dialogs that opened."""

    def go(self, path: str) -> Page:
        """Open a page of the dashboard."""
        self.page.goto(self.base + path)
        return self.page

    def findings(self) -> list[str]:
        """Return what axe finds on the page."""
        found = Axe().run(self.page, options=_AXE).response["violations"]
        return [f"{each['id']}: {node['html'][:200]}" for each in found for node in each["nodes"]]


@contextmanager
def person(
    browser: Browser, server: RunwrightServer, *, key: str | None = None, base: str | None = None
) -> Generator[Person]:
    """Let a person with that key (the server's first one) sign in."""
    with visitor(browser, base or server.url) as found:
        found.go("/sign-in")
        found.page.get_by_label("API key").fill(key or server.api_key)
        found.page.get_by_role("button", name="Sign in", exact=True).click()
        found.page.get_by_role("heading", name="Home").wait_for()
        yield found


@contextmanager
def visitor(browser: Browser, base: str) -> Generator[Person]:
    """Let somebody come who is not signed in."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(_PATIENCE_MS)
    found = Person(page=context.new_page(), base=base)
    found.page.on("pageerror", lambda error: found.complaints.append(str(error)))
    found.page.on(
        "console",
        lambda message: (
            found.complaints.append(message.text)
            if "Content Security Policy" in message.text
            else None
        ),
    )
    try:
        yield found
    finally:
        context.close()


def colour(page: Page, x: int, y: int) -> Any:
    """Return the colour of the page that a live view shows, at a place of the picture."""
    return page.evaluate(
        "([x, y]) => [...document.querySelector('[data-live-canvas]').getContext('2d')"
        ".getImageData(x, y, 1, 1).data.slice(0, 3)]",
        [x, y],
    )


def shows_green(page: Page) -> bool:
    """Return whether a live view shows a page that is green in the middle."""
    red, green, blue = colour(page, 600, 400)
    return red < 60 and 150 < green < 230 and blue < 60


def snapshot_of(page: Page, action: str) -> FrameLocator:
    """Choose an action in the trace viewer that a page shows, and return the page as it was then."""
    viewer = page.frame_locator("iframe.viewer")
    viewer.get_by_text(action).first.click(timeout=60_000)
    # It keeps the snapshots before and after, and shows one of them.
    return viewer.frame_locator("iframe[name=snapshot]:visible")
