"""What tests of the queue share: handlers that remember, and Consumers that are stopped again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from runwright.adapters import engine
from runwright.adapters.engine import Consumer, Entry, Queue


class Seen:
    """A handler that keeps what it was given."""

    def __init__(self, act: Callable[[str], Awaitable[timedelta | None]] | None = None) -> None:
        self.ids: list[str] = []
        self.running = 0
        self.most = 0
        self._act = act

    async def look(self, identifier: str) -> timedelta | None:
        self.ids.append(identifier)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            return None if self._act is None else await self._act(identifier)
        finally:
            self.running -= 1

    async def has(self, count: int) -> bool:
        return len(self.ids) >= count


@asynccontextmanager
async def consuming(
    pool: Any, queues: list[Queue], *, slots: int = 4, heartbeat: float = 2
) -> AsyncGenerator[Consumer]:
    """Consume until the block ends."""

    async def current() -> list[Queue]:
        return list(queues)

    consumer = Consumer(
        pool, queues=current, slots=slots, heartbeat_timeout=timedelta(seconds=heartbeat)
    )
    running = asyncio.create_task(consumer.run())
    try:
        yield consumer
    finally:
        consumer.stop()
        async with asyncio.timeout(15):
            await running


async def add(pool: Any, *entries: Entry) -> None:
    """Queue the entries."""
    async with pool.acquire() as connection:
        for entry in entries:
            await engine.enqueue(connection, entry)


async def is_true(value: object) -> bool:
    """Return the value as a condition that can be awaited."""
    return bool(value)
