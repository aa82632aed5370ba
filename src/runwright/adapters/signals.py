"""Wake-ups between processes: PostgreSQL's NOTIFY on one channel, with one listener per process.

A signal only says "look again", and may be lost along with a connection: code that waits for one must
also poll from time to time.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, cast

import asyncpg

from runwright import db_errors, telemetry

_CHANNEL = "runwright"
_RECONNECT_SECONDS = 0.5
_PROBE_SECONDS, _PROBE_PATIENCE = 20.0, 10.0

log = telemetry.logger(__name__)


async def send(connection: Any, topic: str) -> None:
    """Signal the topic when the connection's transaction commits."""
    await connection.execute("SELECT pg_notify($1, $2)", _CHANNEL, topic)


class Signals:
    """Listens on the channel for this process and wakes the waiters."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Event]] = defaultdict(set)

    @contextmanager
    def subscribe(self, topic: str) -> Generator[asyncio.Event]:
        """Yield an event that is set at each signal of the topic; clear it before looking.

        `run:*` covers every topic that begins with `run:`.
        """
        event = asyncio.Event()
        self._waiting[topic].add(event)
        try:
            yield event
        finally:
            self._waiting[topic].discard(event)
            if not self._waiting[topic]:
                del self._waiting[topic]

    def _wake(self, _connection: Any, _pid: int, _channel: str, topic: object) -> None:
        name = str(topic)
        kind = f"{name.partition(':')[0]}:*"
        for event in (*self._waiting.get(name, ()), *self._waiting.get(kind, ())):
            event.set()

    def _wake_all(self) -> None:
        for events in self._waiting.values():
            for event in events:
                event.set()

    async def hear(self, url: str) -> None:
        """Listen on the channel, reconnecting forever."""
        while True:
            try:
                await self._hear(url)
            except Exception as error:
                if db_errors.is_passing(error):
                    log.warning("signals lost their connection", event_name="signals_lost")
                else:
                    log.exception("signals failed", event_name="signals_failed")
            await asyncio.sleep(_RECONNECT_SECONDS)

    async def _hear(self, url: str) -> None:
        """Listen on the channel until the connection is lost, then raise the reason."""
        connection = cast("Any", await asyncpg.connect(url, timeout=10))  # pyright: ignore[reportUnknownMemberType]
        lost = asyncio.Event()
        try:
            connection.add_termination_listener(_setter(lost))
            await connection.add_listener(_CHANNEL, self._wake)
            # Signals may have been missed while nobody was listening.
            self._wake_all()
            while True:
                # Only a probe detects a connection that was dropped silently; any other loss raises immediately.
                await connection.execute("SELECT 1", timeout=_PROBE_PATIENCE)
                await _happens(lost, _PROBE_SECONDS)
        finally:
            connection.terminate()


async def _happens(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def _setter(event: asyncio.Event) -> Callable[[Any], None]:
    def set_event(_connection: Any) -> None:
        event.set()

    return set_event


async def wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for the signal or the timeout, and clear the event."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
    finally:
        event.clear()


@asynccontextmanager
async def listen(url: str) -> AsyncGenerator[Signals]:
    """Listen on a dedicated connection, reconnecting forever, until the block ends."""
    signals = Signals()
    task = asyncio.create_task(signals.hear(url), name="signals")
    try:
        yield signals
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
