"""What moves: parts of a page, sent anew when they have changed, as server-sent events.

Every connection begins with all parts as they are, so who was cut off has missed nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

from fastapi.responses import StreamingResponse

from runwright import db_errors
from runwright.adapters import signals
from runwright.errors import RunwrightError
from runwright.web.dashboard.kit.identity import User

Render = Callable[[], Awaitable[Mapping[str, str]]]
"""Gives the HTML of each part by the id of its element."""

_LOOK_SECONDS = 2.0
_REST_SECONDS = 0.3
"""Between two looks at the least, however much happens."""
_QUIET_SECONDS = 15.0
_TELLS_AGE = re.compile(r"(<time [^>]*data-(?:ago|since)[^>]*>)[^<]*")
RETRY = "retry: 1000\n\n"
LEFT = 'event: over\ndata: "signed out"\n\n'
"""The person is no longer signed in; nothing more is told."""
DONE = 'event: over\ndata: "done"\n\n'
"""Nothing can follow."""


def parts(user: User, render: Render, *, topics: Sequence[str] = ()) -> StreamingResponse:
    """Return a stream of the parts of a page: all of them at first, then each that has changed."""
    return respond(guarded(_parts(user, render, topics)))


def respond(events: AsyncIterator[str]) -> StreamingResponse:
    """Return a stream of events; proxies are asked not to hold them back."""
    return StreamingResponse(
        events, media_type="text/event-stream", headers={"x-accel-buffering": "no"}
    )


def event(name: str, value: object) -> str:
    """Return an event with a JSON value."""
    return f"event: {name}\ndata: {json.dumps(value)}\n\n"


class Changes:
    """Remembers what was sent of each part; how long ago something was is no change."""

    def __init__(self) -> None:
        self._sent: dict[str, str] = {}

    def of(self, found: Mapping[str, str]) -> list[str]:
        """Return events for the parts that are not as they were sent."""
        events: list[str] = []
        for name, html in found.items():
            essence = _TELLS_AGE.sub(r"\1", html)
            if self._sent.get(name) != essence:
                self._sent[name] = essence
                events.append(event("part", {"id": name, "html": html}))
        return events


async def _parts(user: User, render: Render, topics: Sequence[str]) -> AsyncIterator[str]:
    changes = Changes()
    quiet = 0.0
    yield RETRY
    with contextlib.ExitStack() as stack:
        signalled = [
            stack.enter_context(user.platform.signals.subscribe(topic)) for topic in topics
        ]
        while await user.is_signed_in():
            events = changes.of(await render())
            for each in events:
                yield each
            quiet = 0.0 if events else quiet + _LOOK_SECONDS
            if quiet >= _QUIET_SECONDS:
                quiet = 0.0
                yield ": still here\n\n"
            await _news(signalled)
    yield LEFT


async def _news(signalled: Sequence[asyncio.Event]) -> None:
    """Return when something was signalled, or when it is time to look."""
    await asyncio.sleep(_REST_SECONDS)
    if not signalled:
        await asyncio.sleep(_LOOK_SECONDS)
        return
    waits = [asyncio.ensure_future(signals.wait(each, _LOOK_SECONDS)) for each in signalled]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


async def guarded(events: AsyncIterator[str]) -> AsyncIterator[str]:
    """End the stream at what the page itself will tell of when it connects anew."""
    try:
        async for each in events:
            yield each
    except RunwrightError:
        return
    except Exception as error:
        if not db_errors.is_passing(error):
            raise
