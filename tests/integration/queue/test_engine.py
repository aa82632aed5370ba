"""The queue: what pgqueuer does by itself, and what the adapter adds."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from helpers.server import eventually_async, line_of
from pgqueuer.core.qm import QueueManager
from pgqueuer.ports.repository import EntrypointExecutionParameter
from pgqueuer.queries import Queries
from pgqueuer.types import QueueEntrypoint, QueueManagerId

from runwright.adapters.queue import engine, queue_driver
from runwright.adapters.queue.consumer import Consumer, Queue
from runwright.adapters.queue.engine import Entry
from runwright.adapters.queue.picks import Picks
from runwright.db_retry import patiently
from runwright.domain.retry import DONE, FollowUp, LookAgain
from runwright.storage import database


class Seen:
    """A handler that keeps what it was given."""

    def __init__(self, act: Callable[[str], Awaitable[timedelta | None]] | None = None) -> None:
        self.ids: list[str] = []
        self.running = 0
        self.most = 0
        self._act = act

    async def look(self, identifier: str) -> FollowUp:
        self.ids.append(identifier)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            after = None if self._act is None else await self._act(identifier)
            return DONE if after is None else LookAgain(after)
        finally:
            self.running -= 1

    async def has(self, count: int) -> bool:
        return len(self.ids) >= count


@asynccontextmanager
async def consuming(
    pool: Any, queues: list[Queue], *, slots: int = 4, beside: int = 0, heartbeat: float = 2
) -> AsyncGenerator[Consumer]:
    """Consume until the block ends."""

    async def current() -> list[Queue]:
        return list(queues)

    consumer = Consumer(
        pool,
        queues=current,
        slots=slots,
        beside=beside,
        heartbeat_timeout=timedelta(seconds=heartbeat),
    )
    running = asyncio.create_task(consumer.run())
    try:
        yield consumer
    finally:
        consumer.stop()
        async with asyncio.timeout(15):
            await running


async def _add(pool: Any, *entries: Entry) -> None:
    async with pool.acquire() as connection:
        for entry in entries:
            await engine.enqueue(connection, entry)


async def test_an_entry_is_rolled_back_with_its_transaction(pool: Any) -> None:
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await engine.enqueue(connection, Entry(queue="q", id="1"))
        await transaction.rollback()

        assert await engine.depth(connection) == 0
        assert await engine.without_entry(connection, ["1"]) == ["1"]


async def test_an_id_is_queued_once(pool: Any) -> None:
    await _add(pool, Entry(queue="q", id="1"), Entry(queue="q", id="1"))

    async with pool.acquire() as connection:
        assert await engine.depth(connection) == 1


async def test_entries_go_by_priority_then_arrival(pool: Any) -> None:
    await _add(
        pool,
        Entry(queue="q", id="late", priority=-2),
        Entry(queue="q", id="first", priority=-1),
        Entry(queue="r", id="second", priority=-1),
    )
    seen = Seen()

    queues = [Queue(name=name, limit=0, handler=seen.look) for name in ("q", "r")]
    async with consuming(pool, queues, slots=1):
        await eventually_async(lambda: seen.has(3))

    assert seen.ids == ["first", "second", "late"]


async def test_a_handler_that_fails_gets_its_entry_again(pool: Any) -> None:
    async def fail_once(_identifier: str) -> None:
        if len(seen.ids) == 1:
            raise RuntimeError("once")

    seen = Seen(fail_once)
    await _add(pool, Entry(queue="q", id="1"))

    async with consuming(pool, [Queue(name="q", limit=0, handler=seen.look)]):
        await eventually_async(lambda: seen.has(2), within=60)

    async with pool.acquire() as connection:
        assert await engine.without_entry(connection, ["1"]) == ["1"]


async def test_a_handler_that_asks_for_it_gets_its_entry_again_after_the_delay(pool: Any) -> None:
    began: list[float] = []

    async def twice(_identifier: str) -> timedelta | None:
        began.append(time.monotonic())
        return timedelta(seconds=0.5) if len(began) == 1 else None

    seen = Seen(twice)
    await _add(pool, Entry(queue="q", id="1"))

    async with consuming(pool, [Queue(name="q", limit=0, handler=seen.look)]):
        await eventually_async(lambda: seen.has(2))

    assert began[1] - began[0] >= 0.5


async def test_a_limit_holds_over_two_consumers_and_can_change(pool: Any) -> None:
    release = asyncio.Event()

    async def hold(_identifier: str) -> None:
        await release.wait()

    seen = Seen(hold)
    queues = [Queue(name="q", limit=2, handler=seen.look)]
    await _add(pool, *(Entry(queue="q", id=str(number)) for number in range(8)))

    async with consuming(pool, queues) as one, consuming(pool, queues):
        await eventually_async(lambda: seen.has(2))
        queues[0] = Queue(name="q", limit=3, handler=seen.look)
        await one.refresh()
        await eventually_async(lambda: seen.has(3))
        most_before = seen.most
        release.set()
        await eventually_async(lambda: seen.has(8))

    assert most_before == 3
    assert seen.most <= 4  # the consumer that was not refreshed still lets two


async def test_a_new_queue_is_followed_without_a_restart(pool: Any) -> None:
    seen = Seen()
    queues: list[Queue] = []

    async with consuming(pool, queues) as consumer:
        await eventually_async(lambda: _is(consumer.is_warm))
        queues.append(Queue(name="new", limit=0, handler=seen.look))
        await consumer.refresh()
        await _add(pool, Entry(queue="new", id="1"))
        await eventually_async(lambda: seen.has(1))

    assert seen.ids == ["1"]


async def test_a_stopped_consumer_finishes_what_runs_and_takes_nothing_more(pool: Any) -> None:
    release = asyncio.Event()

    async def hold(_identifier: str) -> None:
        await release.wait()

    seen = Seen(hold)
    await _add(pool, *(Entry(queue="q", id=str(number)) for number in range(6)))

    async with consuming(pool, [Queue(name="q", limit=0, handler=seen.look)], slots=2) as consumer:
        await eventually_async(lambda: seen.has(2))
        consumer.stop()
        release.set()

    assert len(seen.ids) == 2
    async with pool.acquire() as connection:
        waiting = [str(number) for number in range(6) if str(number) not in seen.ids]
        assert await engine.without_entry(connection, waiting) == []


async def test_lost_connections_are_made_again(pool: Any, database_url: str) -> None:
    seen = Seen()
    async with consuming(pool, [Queue(name="q", limit=0, handler=seen.look)]) as consumer:
        await eventually_async(lambda: _is(consumer.is_warm))
        other: Any = await asyncpg.connect(database_url)
        await other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await engine.enqueue(other, Entry(queue="q", id="after"))
        await other.close()

        await eventually_async(lambda: seen.has(1), within=60)

    assert seen.ids == ["after"]


async def test_what_a_killed_consumer_held_is_picked_up_by_another(
    pool: Any, database_url: str, tmp_path: Path
) -> None:
    program = tmp_path / "consumer.py"
    program.write_text(
        textwrap.dedent(f"""
        import asyncio
        from datetime import timedelta
        from runwright.adapters.queue.consumer import Consumer, Queue
        from runwright.storage import database
        async def hold(identifier):
            print(identifier, flush=True)
            await asyncio.sleep(300)
        async def queues():
            return [Queue(name="q", limit=0, handler=hold)]
        async def main():
            async with database.connect({database_url!r}, min_size=1, max_size=5) as pool:
                await Consumer(pool, queues=queues, slots=2,
                               heartbeat_timeout=timedelta(seconds=5)).run()
        asyncio.run(main())
        """)
    )
    await _add(pool, Entry(queue="q", id="1"))
    process = subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert await asyncio.to_thread(line_of, process) == b"1\n"
    seen = Seen()

    async with consuming(pool, [Queue(name="q", limit=0, handler=seen.look)], heartbeat=5):
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        await eventually_async(lambda: seen.has(1), within=60)


@pytest.mark.parametrize("asked", [None, timedelta(hours=1)], ids=["ended", "put back"])
async def test_who_lost_an_entry_leaves_it_to_who_holds_it(
    pool: Any, asked: timedelta | None
) -> None:
    was_lost, may_end = asyncio.Event(), asyncio.Event()

    async def lose(_identifier: str) -> timedelta | None:
        await was_lost.wait()
        return asked

    async def hold(_identifier: str) -> None:
        await may_end.wait()

    slow, other = Seen(lose), Seen(hold)
    others: list[Queue] = []

    async with consuming(pool, others, slots=1, heartbeat=600) as second:
        # Its only slot is taken, so that it does not pick its own entry again.
        queue = Queue(name="q", limit=1, handler=slow.look)
        async with consuming(pool, [queue], slots=1, heartbeat=600) as first:
            await eventually_async(lambda: _is(first.is_warm and second.is_warm))
            await _add(pool, Entry(queue="q", id="1"))
            await eventually_async(lambda: slow.has(1))
            await pool.execute("UPDATE pgqueuer SET heartbeat = now() - interval '1 hour'")
            others.append(Queue(name="q", limit=1, handler=other.look))
            await second.refresh()
            await eventually_async(lambda: other.has(1))
            was_lost.set()
        # The first has stopped, and with that said all that it has to say.
        left = await pool.fetchrow("SELECT status::text, queue_manager_id FROM pgqueuer")
        may_end.set()

    assert left is not None
    assert tuple(left) == ("picked", second._manager.queue_manager_id)
    assert await pool.fetchval("SELECT count(*) FROM pgqueuer") == 0


async def test_a_beat_of_who_lost_an_entry_keeps_it_for_nobody(pool: Any) -> None:
    async def picked() -> tuple[Picks, Any]:
        picks = Picks(queue_driver.Driver(pool))
        picks.picker = QueueManagerId(uuid4())
        limits = {QueueEntrypoint("q"): EntrypointExecutionParameter(concurrency_limit=1)}
        (job,) = await picks.dequeue(1, limits, picks.picker, 2, timedelta(minutes=1))
        return picks, job

    long_ago = "UPDATE pgqueuer SET heartbeat = now() - interval '1 hour'"
    is_silent = "SELECT heartbeat < now() - interval '1 minute' FROM pgqueuer"
    await _add(pool, Entry(queue="q", id="1"))
    first, job = await picked()
    await pool.execute(long_ago)
    second, _ = await picked()
    await pool.execute(long_ago)

    await first.update_heartbeat([job.id])
    is_silent_after_first = await pool.fetchval(is_silent)
    await second.update_heartbeat([job.id])

    assert is_silent_after_first
    assert not await pool.fetchval(is_silent)


@pytest.mark.parametrize(
    ("operation", "is_full", "is_end_of_interest", "is_worth"),
    [
        ("insert", False, False, True),
        ("insert", True, True, False),
        ("delete", False, False, False),
        ("delete", False, True, True),
        ("delete", True, True, False),
        ("truncate", False, False, True),
    ],
)
async def test_who_can_take_nothing_does_not_ask(
    operation: str, is_full: bool, is_end_of_interest: bool, is_worth: bool
) -> None:
    payload = f'{{"channel" : "c", "operation" : "{operation}", "type" : "table_changed_event"}}'

    found = queue_driver.is_worth_a_look(
        payload, is_full=is_full, is_end_of_interest=is_end_of_interest
    )

    assert found is is_worth
    assert queue_driver.is_worth_a_look(
        '{"type": "cancellation_event"}', is_full=True, is_end_of_interest=False
    )


async def test_events_are_told_apart_by_what_pgqueuer_sends(pool: Any, database_url: str) -> None:
    heard: list[str] = []
    listening: Any = await asyncpg.connect(database_url)
    await listening.add_listener("ch_pgqueuer", lambda *event: heard.append(event[3]))

    await _add(pool, Entry(queue="q", id="1"))
    await pool.execute("DELETE FROM pgqueuer")
    await eventually_async(lambda: _is(len(heard) == 2))
    await listening.close()

    full = {"is_full": False, "is_end_of_interest": False}
    assert [queue_driver.is_worth_a_look(payload, **full) for payload in heard] == [True, False]


async def test_a_full_consumer_goes_on_at_once_when_it_has_room(pool: Any) -> None:
    seen = Seen()
    async with consuming(pool, [Queue(name="q", limit=0, handler=seen.look)], slots=2) as consumer:
        await eventually_async(lambda: _is(consumer.is_warm))
        await _add(pool, *(Entry(queue="q", id=str(number)) for number in range(30)))
        # At one poll a second it would take fifteen.
        await eventually_async(lambda: seen.has(30), within=60)


async def test_the_warm_up_of_a_process_that_died_is_forgotten(pool: Any) -> None:
    await _add(pool, Entry(queue="warm-up:gone", id="old"), Entry(queue="warm-up:new", id="new"))
    await pool.execute(
        "UPDATE pgqueuer SET created = now() - interval '1 hour' WHERE entrypoint = 'warm-up:gone'"
    )

    async with consuming(pool, []) as consumer:
        await eventually_async(lambda: _is(consumer.is_warm))

    async with pool.acquire() as connection:
        assert await engine.without_entry(connection, ["old", "new"]) == ["old"]


async def test_a_consumer_that_is_woken_by_hand_looks_when_it_is(pool: Any) -> None:
    seen: list[str] = []

    async def handle(identifier: str) -> FollowUp:
        seen.append(identifier)
        return DONE

    async def queues() -> list[Queue]:
        return [Queue(name="by-hand", limit=0, handler=handle)]

    consumer = Consumer(
        pool, queues=queues, slots=2, heartbeat_timeout=timedelta(seconds=5), is_woken_by_hand=True
    )
    running = asyncio.create_task(consumer.run())
    await eventually_async(lambda: _is(consumer.is_warm))
    async with pool.acquire() as connection:
        await engine.enqueue(connection, engine.Entry(queue="by-hand", id="one"))
    consumer.wake()
    await eventually_async(lambda: _is(seen == ["one"]))
    consumer.stop()
    await running


async def test_entries_that_take_no_slot_hold_up_nobody_and_are_not_held_up(pool: Any) -> None:
    gate = asyncio.Event()

    async def wait(_id: str) -> None:
        await gate.wait()

    with_slot, beside = Seen(wait), Seen(wait)
    queues = [
        Queue(name="q", limit=0, handler=with_slot.look),
        Queue(name="b", limit=0, handler=beside.look, takes_slot=False),
    ]
    await _add(pool, *(Entry(queue="q", id=f"q{n}") for n in range(5)))
    await _add(pool, *(Entry(queue="b", id=f"b{n}") for n in range(5)))

    async with consuming(pool, queues, slots=3, beside=2):
        await eventually_async(lambda: _is((with_slot.running, beside.running) == (3, 2)))
        gate.set()
        await eventually_async(lambda: with_slot.has(5))
        await eventually_async(lambda: beside.has(5))

    assert (with_slot.most, beside.most) == (3, 2)


@pytest.mark.parametrize(("limit", "slots"), [(0, 2), (2, 4)], ids=["full", "at its limit"])
async def test_what_cannot_be_taken_is_not_asked_for_without_pause(
    pool: Any, monkeypatch: pytest.MonkeyPatch, limit: int, slots: int
) -> None:
    gate = asyncio.Event()
    asked: list[float] = []
    ask = queue_driver.Driver.fetch

    async def wait(_id: str) -> None:
        asked.append(time.monotonic())
        await gate.wait()

    async def noted(driver: queue_driver.Driver, query: str, *args: object) -> Any:
        if seen.running == 2 and "pgqueuer" in query:
            asked.append(time.monotonic())
        return await ask(driver, query, *args)

    def is_calm() -> bool:
        return seen.running == 2 and time.monotonic() - asked[-1] > 0.5

    monkeypatch.setattr(queue_driver.Driver, "fetch", noted)
    seen = Seen(wait)
    await _add(pool, *(Entry(queue="q", id=f"{n}") for n in range(9)))

    async with consuming(pool, [Queue(name="q", limit=limit, handler=seen.look)], slots=slots):
        await eventually_async(lambda: _is(is_calm()), within=60)
        gate.set()
        await eventually_async(lambda: seen.has(9), within=60)

    assert seen.most == 2


async def test_the_end_of_an_entry_is_of_interest_only_where_something_waits(pool: Any) -> None:
    gate = asyncio.Event()

    async def wait(_id: str) -> None:
        await gate.wait()

    seen = Seen(wait)
    await _add(pool, Entry(queue="q", id="1"))
    async with consuming(pool, [Queue(name="q", limit=1, handler=seen.look)]) as consumer:
        await eventually_async(lambda: seen.has(1), within=60)
        await eventually_async(lambda: _is(not consumer._manager.may_wait), within=60)
        await _add(pool, Entry(queue="q", id="2"))
        await eventually_async(lambda: _is(consumer._manager.may_wait), within=60)
        gate.set()
        await eventually_async(lambda: seen.has(2), within=60)


_FAILS_TWICE = """
CREATE SEQUENCE tries;
CREATE FUNCTION fails_twice() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('tries') <= 2 THEN
        RAISE EXCEPTION 'no room' USING ERRCODE = '{code}';
    END IF;
    RETURN 1;
END $$
"""


@pytest.mark.parametrize("code", ["disk_full", "out_of_memory", "too_many_connections"])
async def test_a_database_without_room_is_waited_for_and_ends_no_consumer(
    pool: Any, code: str
) -> None:
    async with pool.acquire() as connection:
        await connection.execute(_FAILS_TWICE.format(code=code))
    driver = queue_driver.Driver(pool)

    through_the_queue = await driver.fetch("SELECT fails_twice() AS n")
    async with pool.acquire() as connection:
        await connection.execute("ALTER SEQUENCE tries RESTART")
    by_ourselves = await patiently(lambda: pool.fetchval("SELECT fails_twice()"))

    assert (through_the_queue, by_ourselves) == ([{"n": 1}], 1)


async def test_what_is_used_of_pgqueuer_beyond_its_documents_is_still_there(pool: Any) -> None:
    made = QueueManager(Queries(queue_driver.Driver(pool)))

    @made.entrypoint("q", concurrency_limit=3, accepts_context=False)
    async def handle(_job: Any) -> None:
        """Do nothing."""

    registry: Any = made.entrypoint_registry
    assert registry["q"].parameters.concurrency_limit == 3
    assert isinstance(made.min_dequeue_poll_interval, timedelta)
    assert await Queries(queue_driver.Driver(pool)).schema_is_installed()
    async with pool.acquire() as connection:
        columns = await connection.fetch(
            "SELECT column_name FROM information_schema.columns WHERE table_name = 'pgqueuer'"
        )
    assert {"dedupe_key", "status", "entrypoint", "payload", "execute_after"} <= {
        row["column_name"] for row in columns
    }
    assert callable(handle)


async def _is(value: bool) -> bool:
    return value


def test_the_pool_survives_a_stop_in_the_middle_of_a_transaction(postgresql: str) -> None:
    async def cut() -> int:
        async with database.connect(postgresql, min_size=1, max_size=1) as pool:
            try:
                async with asyncio.timeout(0.2), pool.acquire() as connection:
                    await connection.execute("BEGIN")
                    await connection.execute("SELECT pg_sleep(5)")
            except TimeoutError:
                pass
            async with pool.acquire() as connection:
                await connection.execute("CREATE TEMP TABLE fresh (n int)")
                return await connection.fetchval("SELECT count(*) FROM fresh")

    assert asyncio.run(cut()) == 0
