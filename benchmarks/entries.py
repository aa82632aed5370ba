"""What one PostgreSQL does for many Workers: entries accepted and handed out a second, and what waking them costs.

`python benchmarks/entries.py` prints a table. No browser and no author's code: only the queue and its database.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import asyncpg
import psutil
from rich.console import Console
from rich.table import Table

from runwright.adapters.queue import engine
from runwright.adapters.queue.consumer import Consumer, Queue
from runwright.adapters.queue.engine import Entry
from runwright.domain.retry import DONE, FollowUp
from runwright.storage import database
from runwright.storage.postgres import embedded

_ENTRIES = 2000
_CONSUMERS = (1, 4, 16)
_LISTENERS = (0, 20, 60)
_SLOTS = 8
_NOTIFIES = 2000
_ROUNDS = 100
_WARM_SECONDS = 4
console = Console(highlight=False, width=110)


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        asyncio.run(_measure(Path(directory) / "pg"))


async def _measure(directory: Path) -> None:
    async with (
        embedded.run(directory) as server,
        database.connect(server.url, min_size=4, max_size=20) as pool,
    ):
        await database.migrate(pool)
        async with pool.acquire() as connection:
            await engine.install(connection)
        console.print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        await _accept(server, pool)
        await _hand_out(server, pool)
        await _wake(server, pool)


async def _accept(server: embedded.Server, pool: Any) -> None:
    """Tell how many entries a second are committed, one transaction each."""
    for clients in (1, 8):
        cpu, began = _cpu(server), time.perf_counter()

        async def add(numbers: range) -> None:
            for number in numbers:
                async with pool.acquire() as connection, connection.transaction():
                    await engine.enqueue(connection, Entry(queue="other", id=f"a{number}"))

        await asyncio.gather(*(add(range(each, _ENTRIES, clients)) for each in range(clients)))
        rate = _ENTRIES / (time.perf_counter() - began)
        each = (_cpu(server) - cpu) / _ENTRIES * 1000
        console.print(
            f"entries accepted, {clients} at once: {rate:.0f} /s, {each:.2f} ms of PostgreSQL each"
        )
        await pool.execute("DELETE FROM pgqueuer")


async def _hand_out(server: embedded.Server, pool: Any) -> None:
    shown = Table(
        "consumers",
        "empty queue: ms to the handler, p50 / p99",
        "PostgreSQL's CPU ms each",
        "backlog: entries /s",
        "PostgreSQL's CPU ms each",
    )
    for count in _CONSUMERS:
        waits, woken = await _latency(server, pool, count)
        cpu = _cpu(server)
        rate = await _drain(pool, count)
        drained = (_cpu(server) - cpu) / _ENTRIES * 1000
        middle, late = waits[len(waits) // 2], waits[-1 - len(waits) // 100]
        shown.add_row(
            str(count),
            f"{middle:.1f} / {late:.1f}",
            f"{woken:.2f}",
            f"{rate:.0f}",
            f"{drained:.2f}",
        )
    console.print(shown)


async def _latency(server: embedded.Server, pool: Any, count: int) -> tuple[list[float], float]:
    """Return how long each entry waited, and PostgreSQL's processor time for each, both in ms."""
    waits: list[float] = []
    began = 0.0
    arrived = asyncio.Event()

    async def handle(_: str) -> FollowUp:
        waits.append((time.perf_counter() - began) * 1000)
        arrived.set()
        return DONE

    async with _consuming(pool, count, handle):
        # Begun and warmed up; what idling costs is taken off.
        await asyncio.sleep(_WARM_SECONDS)
        cpu = _cpu(server)
        await asyncio.sleep(_WARM_SECONDS)
        idling = (_cpu(server) - cpu) / _WARM_SECONDS
        cpu, at = _cpu(server), time.perf_counter()
        for number in range(_ROUNDS):
            await asyncio.sleep(0.03)
            arrived.clear()
            began = time.perf_counter()
            async with pool.acquire() as connection:
                await engine.enqueue(connection, Entry(queue="q", id=f"l{number}"))
            await arrived.wait()
        spent = _cpu(server) - cpu - idling * (time.perf_counter() - at)
    return sorted(waits[5:]), spent / _ROUNDS * 1000


async def _drain(pool: Any, count: int) -> float:
    done = 0
    over = asyncio.Event()

    async def handle(_: str) -> FollowUp:
        nonlocal done
        done += 1
        if done == _ENTRIES:
            over.set()
        return DONE

    async with pool.acquire() as connection:
        await engine.enqueue(
            connection, *(Entry(queue="q", id=f"d{number}") for number in range(_ENTRIES))
        )
    began = time.perf_counter()
    async with _consuming(pool, count, handle):
        await over.wait()
        return _ENTRIES / (time.perf_counter() - began)


@asynccontextmanager
async def _consuming(pool: Any, count: int, handle: Any) -> AsyncGenerator[None]:
    async def queues() -> list[Queue]:
        return [Queue(name="q", limit=0, handler=handle)]

    consumers = [
        Consumer(pool, queues=queues, slots=_SLOTS, heartbeat_timeout=timedelta(seconds=30))
        for _ in range(count)
    ]
    tasks = [asyncio.create_task(consumer.run()) for consumer in consumers]
    try:
        yield
    finally:
        for consumer in consumers:
            consumer.stop()
        await asyncio.gather(*tasks)


async def _wake(server: embedded.Server, pool: Any) -> None:
    """Tell what a NOTIFY costs with so many who listen."""
    shown = Table(
        "listening connections", "NOTIFY /s", "PostgreSQL's CPU ms each", "memory MiB each"
    )
    for count in _LISTENERS:
        async with AsyncExitStack() as stack:
            before = _memory(server)
            for _ in range(count):
                connection = cast("Any", await asyncpg.connect(server.url))  # pyright: ignore[reportUnknownMemberType]
                stack.push_async_callback(connection.close)
                await connection.add_listener("runwright", _hear)
            held = _memory(server) - before
            cpu, began = _cpu(server), time.perf_counter()
            for _ in range(_NOTIFIES):
                await pool.execute("SELECT pg_notify('runwright', 'x')")
            seconds = time.perf_counter() - began
            each = (_cpu(server) - cpu) / _NOTIFIES * 1000
            per = held / 2**20 / count if count else 0
            shown.add_row(str(count), f"{_NOTIFIES / seconds:.0f}", f"{each:.3f}", f"{per:.1f}")
    console.print(shown)


def _hear(_connection: Any, _pid: int, _channel: str, _topic: object) -> None:
    """Do nothing: what is measured is being woken."""


def _tree(server: embedded.Server) -> list[psutil.Process]:
    process = psutil.Process(server.pid)
    return [process, *process.children()]


def _cpu(server: embedded.Server) -> float:
    return sum(sum(each.cpu_times()[:2]) for each in _tree(server))


def _memory(server: embedded.Server) -> int:
    return sum(each.memory_full_info().pss for each in _tree(server))


if __name__ == "__main__":
    main()
