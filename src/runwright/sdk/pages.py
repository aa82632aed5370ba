"""Page helpers that every scraper needs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

from playwright.async_api import Error, Locator, Page, TimeoutError as PlaywrightTimeout

_COUNT_MUTATIONS = """\
() => {
  if (!window.__runwright_changes) {
    const seen = { at: performance.now() };
    new MutationObserver(() => { seen.at = performance.now(); })
      .observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
    window.__runwright_changes = seen;
  }
  return performance.now() - window.__runwright_changes.at;
}
"""
# In a page without a doctype, the body is what scrolls.
_SCROLLED = "const it = node === document.documentElement ? document.scrollingElement : node;"
_HEIGHT = f"node => {{ {_SCROLLED} return it.scrollHeight; }}"
_SCROLL = f"node => {{ {_SCROLLED} const was = it.scrollHeight; it.scrollTo(0, was); return was; }}"


async def settle(
    page: Page,
    *,
    quiet: timedelta = timedelta(milliseconds=500),
    patience: timedelta = timedelta(seconds=10),
) -> bool:
    """Wait until the document has not changed for `quiet`; True once it has come to rest.

    A page that never rests is not an error: the result is False after `patience`.
    """
    deadline = time.monotonic() + patience.total_seconds()
    wanted = quiet.total_seconds() * 1000
    while time.monotonic() < deadline:
        try:
            still = float(await page.evaluate(_COUNT_MUTATIONS))
        except Error:
            # The page is navigating; start over with the next document.
            still = 0.0
        if still >= wanted:
            return True
        await asyncio.sleep(max(0.02, min(wanted - still, 200) / 1000))
    return False


async def go_to(
    page: Page,
    url: str,
    *,
    attempts: int = 3,
    timeout: timedelta = timedelta(seconds=30),  # noqa: ASYNC109 - the page's, not the task's
) -> None:
    """Navigate to a URL and let the page settle, retrying on errors.

    Raises:
        playwright.async_api.Error: every attempt failed.
    """
    for attempt in range(1, attempts + 1):
        try:
            await page.goto(url, timeout=timeout.total_seconds() * 1000, wait_until="load")
        except Error:
            if attempt == attempts:
                raise
            await asyncio.sleep(attempt)
        else:
            await settle(page)
            return


async def scroll_to_end(
    page: Page,
    *,
    element: Locator | None = None,
    max_scrolls: int = 50,
    on_scroll: Callable[[], Awaitable[None]] | None = None,
) -> int:
    """Scroll the page, or one element, until nothing new loads; return how often it grew."""
    target = element if element is not None else page.locator(":root")
    for scrolled in range(max_scrolls):
        before = await target.evaluate(_SCROLL)
        await settle(page)
        if on_scroll is not None:
            await on_scroll()
        if await target.evaluate(_HEIGHT) <= before:
            return scrolled
    return max_scrolls


async def click_until_gone(
    page: Page,
    button: Locator,
    *,
    max_clicks: int = 50,
    on_click: Callable[[], Awaitable[None]] | None = None,
) -> int:
    """Click a button, such as "load more", until it is gone or disabled; return the number of clicks."""
    for clicked in range(max_clicks):
        try:
            if not await button.is_visible() or not await button.is_enabled():
                return clicked
            await button.click()
        except PlaywrightTimeout:
            return clicked
        await settle(page)
        if on_click is not None:
            await on_click()
    return max_clicks
