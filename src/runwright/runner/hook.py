"""The project's hook, which may replace an Attempt's context or page."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

from playwright.async_api import BrowserContext, Page

from runwright import protocol
from runwright.runner.browser.browser import Opened
from runwright.runner.channel import Send
from runwright.runner.project.loader import EntryError, Project

FILE = "hooks/setup_context.py"


def exists(project: Project) -> bool:
    """True when the project has a hook."""
    return (project.root / FILE).is_file()


async def call(project: Project, opened: Opened, start: protocol.Start, cdp_url: str) -> None:
    """Call the hook and adopt the context and page it returns.

    Raises:
        EntryError: it has no `async def setup_context`, or returns something invalid.
    """
    function: Callable[..., Awaitable[Any]] | None = getattr(
        project.load("hooks", "setup_context"), "setup_context", None
    )
    if function is None:
        raise EntryError(f"`{FILE}` has no `async def setup_context`.")
    name = f"api/{start.api}" if start.kind == "api" else start.api
    given = await function(api_name=name, api_parameters=start.parameters, cdp_url=cdp_url)
    context, page, cleanup = _parts(given)
    opened.cleanup = cleanup
    if context is None:
        return
    if context is not opened.context:
        # The hook connects to the browser's own context, and may return that.
        if not opened.is_browsers_own:
            await opened.context.close()
        opened.adopt(context)
    if page is None:
        page = context.pages[0] if context.pages else await context.new_page()
    opened.page = page


async def clean_up(opened: Opened, send: Send) -> None:
    """Await the hook's cleanup; an error in it is logged and changes nothing."""
    cleanup, opened.cleanup = opened.cleanup, None
    if cleanup is None:
        return
    try:
        await cleanup()
    except Exception as error:  # noqa: BLE001 - the Attempt has its outcome already
        text = f"the hook's cleanup failed: {type(error).__name__}: {error}"
        send(protocol.Log(at=time.time(), stream="platform", level="warning", text=text))


def _parts(given: Any) -> tuple[BrowserContext | None, Page | None, Any]:
    parts = cast("tuple[Any, ...]", given if isinstance(given, tuple) else (given,))
    context, page, cleanup = (*parts, None, None, None)[:3]
    is_known = (
        len(parts) <= 3  # noqa: PLR2004 - context, page, cleanup
        and (context is None or isinstance(context, BrowserContext))
        and (page is None or isinstance(page, Page))
        and (cleanup is None or callable(cleanup))
    )
    if not is_known:
        raise EntryError(
            f"`{FILE}` must return None, a context, (context, page) or (context, page, cleanup), "
            f"not {_told(given)}."
        )
    return context, page, cleanup


def _told(given: Any) -> str:
    if isinstance(given, tuple):
        return f"({', '.join(type(each).__name__ for each in cast('tuple[Any, ...]', given))})"
    return (
        f"{type(given).__name__}" if isinstance(given, BrowserContext | Page) else f"{given!r:.100}"
    )
