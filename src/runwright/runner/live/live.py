"""The Runner's side of the live view: shows the Attempt's tabs and performs a person's actions in them.

While nobody is watching, none of it exists in the browser or runs here.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

from playwright.async_api import BrowserContext, Error, Page

from runwright import protocol
from runwright.runner.browser.browser import Opened
from runwright.runner.channel import Send
from runwright.runner.live import inputs
from runwright.runner.live.screencast import Screencast

_LOOK_SECONDS = 0.2
_TITLE_SECONDS = 1.0
_READY_SECONDS = 2.0
_READY_LOOK_SECONDS = 0.02
_STOP_SECONDS = 5.0
_MAX_SCREENCASTS = 4
_MAX_WAITING = 500


class Live:
    """The view of one Attempt, and the input to it, for whoever is watching."""

    def __init__(self, opened: Opened, send: Send) -> None:
        self._opened = opened
        self._send = send
        self._watch = protocol.Watch()
        self._casts: dict[str, Screencast] = {}
        self._pages: dict[str, Page] = {}
        self._titles: dict[str, tuple[str, str]] = {}
        self._told: protocol.Pages | None = None
        self._current = ""
        self._pages_seen = 0
        self._number = [0]
        self._hand = inputs.Hand()
        self._waiting: deque[protocol.Input] = deque()
        self._has_input = asyncio.Event()
        self._look_now = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def receive(self, message: protocol.Message) -> None:
        """Handle a message from the Worker."""
        if isinstance(message, protocol.Watch):
            self._watch = message
            self._told = None
            self._look_now.set()
            if not self._tasks and message.pages:
                self._tasks = [
                    asyncio.create_task(self._look_on(), name="live"),
                    asyncio.create_task(self._act(), name="live input"),
                ]
        elif isinstance(message, protocol.FrameTaken):
            if (cast := self._casts.get(message.page)) is not None:
                cast.taken(message.number)
        elif isinstance(message, protocol.Input):
            self._take_input(message)

    async def stop(self) -> None:
        """Stop showing, and remove everything from the browser."""
        for task in self._tasks:
            task.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                # Errors in these tasks do not belong in the author's log.
                await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stop(list(self._casts))

    def _take_input(self, message: protocol.Input) -> None:
        if self._waiting and inputs.replaces(message, self._waiting[-1]):
            self._waiting[-1] = message
        elif len(self._waiting) < _MAX_WAITING:
            self._waiting.append(message)
        self._has_input.set()

    async def _act(self) -> None:
        """Perform the person's actions, in order."""
        while True:
            await self._has_input.wait()
            self._has_input.clear()
            while self._waiting:
                message = self._waiting.popleft()
                # The person can see that a page is gone or hangs.
                with contextlib.suppress(Error, TimeoutError):
                    cast, page = await self._ready(message.page)
                    answer = await self._hand.act(cast.command, page, message)
                    if answer is not None:
                        self._send(answer)

    async def _ready(self, page_id: str) -> tuple[Screencast, Page]:
        """A watched page, once it accepts commands.

        Raises:
            TimeoutError: it is gone, or not watched.
        """
        async with asyncio.timeout(_READY_SECONDS):
            while True:
                wanted = page_id or self._current
                cast, page = self._casts.get(wanted), self._pages.get(wanted)
                if cast is not None and page is not None and cast.is_begun:
                    return cast, page
                await asyncio.sleep(_READY_LOOK_SECONDS)

    async def _look_on(self) -> None:
        while True:
            self._find_pages()
            await self._show()
            pages = protocol.Pages(
                pages=tuple([await self._described(each) for each in self._pages]),
                current=self._current,
            )
            if self._watch.pages and pages != self._told:
                self._told = pages
                self._send(pages)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS if self._watch.pages else None):
                    await self._look_now.wait()
            self._look_now.clear()

    def _find_pages(self) -> None:
        """Number new tabs, forget closed ones, and follow the newest."""
        there = [page for context in self._contexts() for page in context.pages]
        for page_id, page in list(self._pages.items()):
            if page.is_closed() or page not in there:
                del self._pages[page_id]
        known = set(self._pages.values())
        for page in there:
            if page not in known and not page.is_closed():
                self._pages_seen += 1
                self._current = str(self._pages_seen)
                self._pages[self._current] = page
        if self._current not in self._pages:
            self._current = next(reversed(self._pages), "")

    def _contexts(self) -> list[BrowserContext]:
        """The Attempt's context, and any that the author has opened besides."""
        ours = self._opened.context
        others = [] if ours.browser is None else ours.browser.contexts
        return [ours, *(context for context in others if context is not ours)]

    async def _show(self) -> None:
        """Keep a screencast of every watched page, and of no other."""
        wanted = {each or self._current for each in self._watch.pages} & self._pages.keys()
        over = [
            page_id
            for page_id, cast in self._casts.items()
            if page_id not in wanted or cast.is_over
        ]
        await self._stop(over)
        for page_id in sorted(wanted - self._casts.keys())[: _MAX_SCREENCASTS - len(self._casts)]:
            cast = Screencast(self._pages[page_id], page_id, self._send, self._number)
            self._casts[page_id] = cast
            cast.start(self._watch.max_width, self._watch.max_height)

    async def _stop(self, page_ids: list[str]) -> None:
        for page_id in page_ids:
            await self._casts.pop(page_id).stop()

    async def _described(self, page_id: str) -> dict[str, str]:
        page = self._pages[page_id]
        known_url, title = self._titles.get(page_id, ("", ""))
        if known_url != page.url or not title:
            with contextlib.suppress(Error, TimeoutError):
                async with asyncio.timeout(_TITLE_SECONDS):
                    title = await page.title()
            self._titles[page_id] = (page.url, title)
        return {"id": page_id, "url": page.url, "title": title}
