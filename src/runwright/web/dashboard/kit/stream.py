"""Live parts of a page, sent as server-sent events whenever they change.

Each connection starts with the current state of all parts, so a reconnecting page misses nothing.
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
"""Renders the parts of a page: element id to HTML."""

_LOOK_SECONDS = 2.0
_REST_SECONDS = 0.3
"""Minimum time between two renderings."""
_QUIET_SECONDS = 15.0
_TELLS_AGE = re.compile(r"(<time [^>]*data-(?:ago|since)[^>]*>)[^<]*")
RETRY = "retry: 1000\n\n"
LEFT = 'event: over\ndata: "signed out"\n\n'
"""The user is no longer signed in."""
DONE = 'event: over\ndata: "done"\n\n'
"""Nothing will change any more."""


def parts(user: User, render: Render, *, topics: Sequence[str] = ()) -> StreamingResponse:
    """Stream the parts of a page: first all of them, then each one that changes."""
    return respond(guarded(_parts(user, render, topics)))


def respond(events: AsyncIterator[str]) -> StreamingResponse:
    """Respond with a stream of events that proxies do not buffer."""
    return StreamingResponse(
        events, media_type="text/event-stream", headers={"x-accel-buffering": "no"}
    )


def event(name: str, value: object) -> str:
    """Format an event with a JSON value."""
    return f"event: {name}\ndata: {json.dumps(value)}\n\n"


class Changes:
    """The parts last sent; a new age such as `5 s ago` does not count as a change."""

    def __init__(self) -> None:
        self._sent: dict[str, str] = {}

    def of(self, found: Mapping[str, str]) -> list[str]:
        """Events for the parts that changed since they were last sent."""
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
    """Wait for a signal or the polling interval."""
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
    """End the stream on errors that the page reports when it reconnects."""
    try:
        async for each in events:
            yield each
    except RunwrightError:
        return
    except Exception as error:
        if not db_errors.is_passing(error):
            raise
