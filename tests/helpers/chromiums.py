"""Browsers as a Runner launches them, without a Runner."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Browser, BrowserContext

from runwright import config, protocol
from runwright.execution.runners import browsers
from runwright.runner.browser.browser import Chromium


def settings_of(kind: str, **more: Any) -> protocol.Browser:
    """Return how a Worker has a kind of browser launched, `shell` or `full`."""
    is_shell = kind == "shell"
    found = browsers.find(config.read())
    return protocol.Browser(
        executable=found.executable(is_shell=is_shell),
        is_shell=found.is_shell(is_shell=is_shell),
        sandbox=not config.is_root(),
        **more,
    )


async def close(chromium: Chromium) -> None:
    """End the browser and its driver, which a Runner leaves to the Worker."""
    assert chromium._browser is not None
    assert chromium._playwright is not None
    await chromium._browser.close()
    await chromium._playwright.stop()


def browser_of(context: BrowserContext) -> Browser:
    """Return the browser that a context is in."""
    assert context.browser is not None
    return context.browser
