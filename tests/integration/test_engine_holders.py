"""Who holds an entry: a Consumer that was thought dead may finish, and takes nothing from the next."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from integration.consumers import Seen, add, consuming, is_true
from support import eventually_async

from runwright.adapters import engine
from runwright.adapters.engine import Entry, Queue


class Held:
    """A handler that the test lets go, and that then answers as told."""

    def __init__(self) -> None:
        self.answer: timedelta | None = None
        self.error: Exception | None = None
        self.let_go = asyncio.Event()
        self.is_over = asyncio.Event()
        self.seen = Seen(self._act)

    async def _act(self, _identifier: str) -> timedelta | None:
        try:
            await self.let_go.wait()
            if self.error is not None:
                raise self.error
            return self.answer
        finally:
            self.is_over.set()

    @property
    def queues(self) -> list[Queue]:
        return [Queue(name="q", limit=0, handler=self.seen.look)]


async def _seem_dead(pool: Any) -> None:
    """Make the entry look as if its holder had been silent for an hour."""
    await pool.execute("UPDATE pgqueuer SET heartbeat = now() - interval '1 hour'")


async def _holder(pool: Any) -> object:
    return await pool.fetchval(
        "SELECT queue_manager_id FROM pgqueuer WHERE status = 'picked' AND dedupe_key = '1'"
    )


@pytest.mark.parametrize("ending", ["done", "again", "error"])
async def test_a_consumer_thought_dead_leaves_the_entry_to_who_took_it_over(
    pool: Any, ending: str
) -> None:
    late, current = Held(), Held()
    late.answer = timedelta(0) if ending == "again" else None
    late.error = RuntimeError("late") if ending == "error" else None
    await add(pool, Entry(queue="q", id="1"))

    # A long heartbeat, so that only what the test does makes the entry look abandoned.
    async with consuming(pool, late.queues, heartbeat=60):
        await eventually_async(lambda: late.seen.has(1))
        async with consuming(pool, current.queues, heartbeat=60) as second:
            await eventually_async(lambda: is_true(second.is_warm))
            await _seem_dead(pool)
            await eventually_async(lambda: current.seen.has(1))
            holder = await _holder(pool)
            late.let_go.set()
            await late.is_over.wait()
            await add(pool, Entry(queue="q", id="2"))
            await eventually_async(lambda: is_true(len(late.seen.ids + current.seen.ids) == 3))

            assert await _holder(pool) == holder
            current.let_go.set()

    assert sorted(late.seen.ids + current.seen.ids) == ["1", "1", "2"]
    assert await engine.without_entry(pool, ["1", "2"]) == ["1", "2"]


async def test_a_consumer_does_not_take_over_what_it_runs_itself(pool: Any) -> None:
    held = Held()
    await add(pool, Entry(queue="q", id="1"))

    async with consuming(pool, held.queues, heartbeat=60):
        await eventually_async(lambda: held.seen.has(1))
        await _seem_dead(pool)
        held.let_go.set()
        await add(pool, Entry(queue="q", id="2"))
        await eventually_async(lambda: held.seen.has(2))

    assert held.seen.ids == ["1", "2"]
    assert await engine.depth(pool) == 0


async def test_a_handler_that_takes_longer_than_the_heartbeat_keeps_its_entry(pool: Any) -> None:
    held, other = Held(), Held()
    other.let_go.set()
    await add(pool, Entry(queue="q", id="1"))

    async with consuming(pool, held.queues, heartbeat=1):
        await eventually_async(lambda: held.seen.has(1))
        picked = await pool.fetchval("SELECT heartbeat FROM pgqueuer WHERE dedupe_key = '1'")
        async with consuming(pool, other.queues, heartbeat=1):

            async def beats_on() -> bool:
                beat = await pool.fetchval("SELECT heartbeat FROM pgqueuer WHERE dedupe_key = '1'")
                return beat - picked > timedelta(seconds=3)

            await eventually_async(beats_on)
            held.let_go.set()

    assert held.seen.ids == ["1"]
    assert other.seen.ids == []
