"""Recording a sign-in: a person signs in through the live view, and none of the author's code runs.

No keystroke is kept, neither in a trace nor in a log; all that remains is the browser's final state.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from typing import Any

from playwright.async_api import BrowserContext, Error, Frame, Page

from runwright import protocol
from runwright.runner.questions import Questions

_QUESTION = "Sign in, then press Done."
_LOAD_MILLISECONDS = 10_000
_QUIET_MILLISECONDS = 2_000
_START_MILLISECONDS = 30_000


class NobodySignedIn(Exception):
    """Nobody finished the recording in time."""


def recorder(
    start: protocol.Start, questions: Questions
) -> Callable[[Page, Any], Awaitable[dict[str, Any]]]:
    """A stand-in for the author's function that returns once the person is signed in."""

    async def record(page: Page, parameters: dict[str, Any]) -> dict[str, Any]:
        await _open(page, start.start_url)
        arrived = _arrival(page.context, start.finish_url)
        asking = asyncio.ensure_future(
            questions.ask(_QUESTION, parameters["timeoutInSeconds"], is_secret=False)
        )
        try:
            await asyncio.wait({asking, arrived}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            arrived.cancel()
            if not asking.done():
                asking.cancel()
                await asyncio.wait({asking})
        if not asking.cancelled() and asking.result() is None:
            seconds = parameters["timeoutInSeconds"]
            raise NobodySignedIn(f"nobody signed in and pressed Done within {seconds:g} s")
        await _settle(page.context)
        return {"finishedBy": "finishUrl" if asking.cancelled() else "done"}

    return record


def is_at(url: str, wanted: str) -> bool:
    """True when a URL matches the wanted one; `*` matches anything.

    Ignores the fragment, and the query where the wanted URL has none.
    """
    url = url.partition("#")[0]
    wanted = wanted.partition("#")[0]
    if "?" not in wanted:
        url = url.partition("?")[0]
    pattern = ".*".join(re.escape(part) for part in wanted.rstrip("/").split("*"))
    return re.fullmatch(pattern, url.rstrip("/")) is not None


async def _open(page: Page, url: str | None) -> None:
    if url is not None:
        # If it fails to load, the person sees that and can navigate elsewhere.
        with contextlib.suppress(Error):
            await page.goto(url, timeout=_START_MILLISECONDS)


def _arrival(context: BrowserContext, wanted: str | None) -> asyncio.Future[None]:
    """A future that is done once a tab navigates to the wanted URL, from now on."""
    arrived: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def follow(page: Page) -> None:
        page.on("framenavigated", note)

    def note(frame: Frame) -> None:
        is_there = wanted is not None and frame.parent_frame is None and is_at(frame.url, wanted)
        if is_there and not arrived.done():
            arrived.set_result(None)

    context.on("page", follow)
    for page in context.pages:
        follow(page)
    return arrived


async def _settle(context: BrowserContext) -> None:
    """Give the pages time to set their cookies."""
    for page in context.pages:
        with contextlib.suppress(Error):
            await page.wait_for_load_state("load", timeout=_LOAD_MILLISECONDS)
            await page.wait_for_load_state("networkidle", timeout=_QUIET_MILLISECONDS)
