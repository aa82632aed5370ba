"""What one page shows, frame by frame, no faster than viewers can receive it.

An occasional frame is passed on immediately. When the page paints faster than that, or viewers lag, the browser
stops capturing for a while and then starts afresh with what the page shows by then.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

from playwright.async_api import CDPSession, Error, Page

from runwright import protocol
from runwright.runner.channel import Send

_QUALITY = 60
_PACE_SECONDS = 1 / 20
_REST_SECONDS = 0.05
_ANSWER_SECONDS = 2.0


class Screencast:
    """The frames of one page, until it is stopped or the page is gone."""

    def __init__(self, page: Page, page_id: str, send: Send, number: list[int]) -> None:
        """`number` holds the number of the latest frame of any page."""
        self._page = page
        self._id = page_id
        self._send = send
        self._number = number
        self._session: CDPSession | None = None
        self._size = (0, 0)
        self._latest: dict[str, Any] | None = None
        self._unthanked: list[int] = []
        self._in_flight: list[int] = []
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_begun(self) -> bool:
        """True once it accepts commands."""
        return self._session is not None

    @property
    def is_over(self) -> bool:
        """True when no more frames will come."""
        return self._task is not None and self._task.done()

    def start(self, max_width: int, max_height: int) -> None:
        """Start sending frames no larger than this, in pixels."""
        self._size = (max_width, max_height)
        self._task = asyncio.create_task(self._run(), name=f"screencast {self._id}")

    async def stop(self) -> None:
        """Stop sending frames, and detach from the browser."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._session is not None:
            with contextlib.suppress(Error, TimeoutError):
                async with asyncio.timeout(_ANSWER_SECONDS):
                    await self._session.detach()

    def taken(self, number: int) -> None:
        """Note that a viewer has received the frame of that number and those before it."""
        self._in_flight = [each for each in self._in_flight if each > number]
        self._changed.set()

    async def command(self, method: str, parameters: dict[str, Any]) -> Any:
        """Send a DevTools protocol command to the page.

        Raises:
            playwright.async_api.Error: the page is gone.
            TimeoutError: the page does not answer.
        """
        assert self._session is not None
        async with asyncio.timeout(_ANSWER_SECONDS):
            answer: Any = await self._session.send(method, parameters)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return answer

    async def _run(self) -> None:
        with contextlib.suppress(Error, TimeoutError):
            self._session = await self._page.context.new_cdp_session(self._page)
            self._session.on("Page.screencastFrame", self._keep)
            await self._begin()
            await self._pump()

    async def _begin(self) -> None:
        await self.command(
            "Page.startScreencast",
            {
                "format": "jpeg",
                "quality": _QUALITY,
                "maxWidth": self._size[0],
                "maxHeight": self._size[1],
            },
        )

    def _keep(self, frame: dict[str, Any]) -> None:
        self._latest = frame
        self._unthanked.append(frame["sessionId"])
        self._changed.set()

    async def _pump(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._latest is None:
                continue
            if len(self._in_flight) < protocol.FRAMES_IN_FLIGHT:
                frame, self._latest = self._latest, None
                self._pass_on(frame)
                await self._thank()
                await asyncio.sleep(_PACE_SECONDS)
                if self._latest is None:
                    continue
            await self._rest()

    async def _thank(self) -> None:
        thanks, self._unthanked = self._unthanked, []
        for session_id in thanks:
            await self.command("Page.screencastFrameAck", {"sessionId": session_id})

    async def _rest(self) -> None:
        """Pause capturing, for as long as viewers lag, then start afresh with what the page shows.

        Without acknowledgments a browser keeps capturing and drops the frames: at 60 a second that costs
        more than everything else.
        """
        await self.command("Page.stopScreencast", {})
        self._unthanked.clear()
        self._latest = None
        await asyncio.sleep(_REST_SECONDS)
        while len(self._in_flight) >= protocol.FRAMES_IN_FLIGHT:
            await self._changed.wait()
            self._changed.clear()
        self._latest = None
        await self._begin()

    def _pass_on(self, frame: dict[str, Any]) -> None:
        if len(frame["data"]) > protocol.MAX_FRAME_LENGTH:
            return
        about = frame["metadata"]
        self._number[0] += 1
        self._in_flight.append(self._number[0])
        self._send(
            protocol.Frame(
                page=self._id,
                number=self._number[0],
                at=about.get("timestamp") or time.time(),
                width=round(about["deviceWidth"]),
                height=round(about["deviceHeight"]),
                jpeg=frame["data"],
            )
        )
