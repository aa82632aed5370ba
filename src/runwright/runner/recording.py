"""Recording a sign-in: a person signs in through the live view, and none of the author's code runs.

Nothing that is typed is kept: no trace, no log; what stays is the state the browser ends with.
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
    """Nobody has finished the recording in time."""


def recorder(
    start: protocol.Start, questions: Questions
) -> Callable[[Page, Any], Awaitable[dict[str, Any]]]:
    """Return what takes the place of the author's function: it returns once the person is signed in."""

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
    """Return whether an address is the wanted one; `*` stands for anything.

    The fragment does not count, nor does the query where the wanted address has none.
    """
    url = url.partition("#")[0]
    wanted = wanted.partition("#")[0]
    if "?" not in wanted:
        url = url.partition("?")[0]
    pattern = ".*".join(re.escape(part) for part in wanted.rstrip("/").split("*"))
    return re.fullmatch(pattern, url.rstrip("/")) is not None


async def _open(page: Page, url: str | None) -> None:
    if url is not None:
        # Where it leads nowhere the person sees that, and may go elsewhere.
        with contextlib.suppress(Error):
            await page.goto(url, timeout=_START_MILLISECONDS)


def _arrival(context: BrowserContext, wanted: str | None) -> asyncio.Future[None]:
    """Return a future that is done once a tab goes to the wanted address, from now on."""
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
    """Let the pages set the cookies that they are about to set."""
    for page in context.pages:
        with contextlib.suppress(Error):
            await page.wait_for_load_state("load", timeout=_LOAD_MILLISECONDS)
            await page.wait_for_load_state("networkidle", timeout=_QUIET_MILLISECONDS)
