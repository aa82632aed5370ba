"""Takes the queue's entries and hands them to handlers. Only this package knows pgqueuer.

This makes up for what pgqueuer 1.6 lacks, each with a test in
`tests/integration/queue/test_engine.py`:

- Its loop ends when PostgreSQL goes away: `Driver` waits for it to come back.
- An exception in a handler deletes the entry: here the entry is put back, with a delay.
- A re-pick after a crash counts no attempt, and a completed entry can be picked again within 0.1 s:
  handlers must claim in their own table under a fence, and they do.
- A process that lost an entry to another still completes it: `Picks` turns that into a no-op.
- Entrypoints and limits are static: `Consumer` follows the current result of `queues()`.
- All queues share one set of slots: here some queues take no slot, so that they never hold up others.
- It polls nonstop for entries held back by a limit: here only shortly after something changed.
- The first job of a fresh process is slow: a warm-up entry goes through the queue first.
- Completions free their slots in batches: a batch size of one frees each immediately.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

from pgqueuer.core.qm import QueueManager
from pgqueuer.errors import RetryRequested
from pgqueuer.models import Job

from runwright import telemetry
from runwright.adapters.queue import engine, queue_driver
from runwright.adapters.queue.picks import Picks
from runwright.adapters.queue.queue_driver import Driver
from runwright.domain import retry
from runwright.domain.retry import FollowUp, LookAgain

log = telemetry.logger(__name__)

_POLL = timedelta(seconds=1)
_FEWEST_TASKS = 2
_MISSED_WAKE_UP_POLL = timedelta(milliseconds=20)
_LOOKS_IN_VAIN = 3

# Left by processes that died while warming up; no other process takes them.
_FORGET_WARM_UPS = "DELETE FROM pgqueuer WHERE entrypoint LIKE 'warm-up:%' AND created < now() - interval '10 minutes'"

# pgqueuer asks three separate questions for this, whose answers may come from three different moments. Each queue is
# looked up on its own; otherwise an empty one could cause a scan of all entries.
NEXT_ENTRY = """
SELECT CASE WHEN min(execute_after) <= now() THEN interval '0' ELSE min(execute_after) - now() END AS due_in
FROM unnest($1::text[]) AS queue (name) CROSS JOIN LATERAL (
    SELECT execute_after FROM pgqueuer WHERE entrypoint = queue.name AND status = 'queued'
    ORDER BY execute_after LIMIT 1
) AS first
"""

Handler = Callable[[str], Awaitable[FollowUp]]
"""Looks at the thing with that id; returns None when nothing is left to do, or when to look again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Queue:
    """A named queue with its limit across all Workers."""

    name: str
    limit: int
    """Entries being handled at once; 0 is unlimited."""
    handler: Handler
    takes_slot: bool = True
    """Whether its entries count toward the Consumer's slots."""


class _Manager(QueueManager):
    """pgqueuer's loop with two kinds of queue, and without nonstop polling for entries held back by a limit."""

    def __init__(self, driver: Driver, *, slots: int, beside: int) -> None:
        picks = Picks(driver)
        super().__init__(picks)
        picks.picker = self.queue_manager_id
        self.min_dequeue_poll_interval = _MISSED_WAKE_UP_POLL
        self.beside_slots: set[str] = set()
        """The queues whose entries take no slot."""
        self.under_way: dict[Any, bool] = {}
        """Entries in progress, and whether each takes a slot."""
        self._most = {True: slots, False: beside}
        self._asked_in_vain = 0
        self.may_wait = True
        """Something may be waiting for an entry in progress to end."""

    def entrypoints_below_capacity_limits(self) -> set[Any]:
        """The queues whose entries can be taken now."""
        is_open = self._is_open()
        return {name for name in self.entrypoint_registry if is_open[self._takes_slot(name)]}

    @property
    def is_full(self) -> bool:
        """True when no entry can be taken."""
        # Called on every event, so it must not iterate over all queues.
        return not any(self._is_open().values())

    def _is_open(self) -> dict[bool, bool]:
        """Whether one more entry can be taken, with a slot and without."""
        taken = Counter(self.under_way.values())
        return {takes_slot: taken[takes_slot] < most for takes_slot, most in self._most.items()}

    def _takes_slot(self, queue: str) -> bool:
        return queue not in self.beside_slots

    def expect_more(self) -> None:
        """Poll again soon: capacity may have been freed."""
        self._asked_in_vain = 0

    async def fetch_jobs(
        self, batch_size: int, global_concurrency_limit: int | None, heartbeat_timeout: timedelta
    ) -> AsyncGenerator[Job, None]:
        """Track the entries taken; one that arrives again while in progress is not counted twice."""
        if self.is_full:
            return
        found = super().fetch_jobs(batch_size, global_concurrency_limit, heartbeat_timeout)
        async with aclosing(found):
            async for job in found:
                if job.id not in self.job_context:
                    self.under_way[job.id] = self._takes_slot(job.entrypoint)
                    self.expect_more()
                yield job
                if self.is_full:
                    return

    def forget_job(self, job_id: Any, context: Any, task: asyncio.Task[None]) -> None:
        """Also stop tracking an entry that ended without reaching its handler."""
        super().forget_job(job_id, context, task)
        if job_id not in self.job_context:
            self.under_way.pop(job_id, None)

    async def _effective_dequeue_timeout(self, dequeue_timeout: timedelta) -> timedelta:
        is_open = self.entrypoints_below_capacity_limits()
        # The other queues are full; the end of any entry wakes the loop.
        self.may_wait = len(is_open) < len(self.entrypoint_registry)
        if not is_open:
            return dequeue_timeout
        rows = await self.queries.driver.fetch(NEXT_ENTRY, list(is_open))
        due_in = rows[0]["due_in"]
        if not isinstance(due_in, timedelta) or due_in >= dequeue_timeout:
            return dequeue_timeout
        if due_in > self.min_dequeue_poll_interval:
            return due_in
        # The waiting entry is held back by a limit, or has only just arrived.
        self.may_wait = True
        self._asked_in_vain += 1
        is_in_vain = self._asked_in_vain > _LOOKS_IN_VAIN
        return dequeue_timeout if is_in_vain else self.min_dequeue_poll_interval


class Consumer:
    """Hands entries to handlers, at most `slots` at once, until stopped."""

    def __init__(
        self,
        pool: Any,
        *,
        queues: Callable[[], Awaitable[list[Queue]]],
        slots: int,
        heartbeat_timeout: timedelta,
        beside: int = 0,
        is_woken_by_hand: bool = False,
    ) -> None:
        """`beside` limits the entries in progress from queues that take no slot.

        With `is_woken_by_hand` only `wake` and a poll once a second look for entries; otherwise a new
        entry wakes every Consumer with room, and each then queries the database.
        """
        self._pool = pool
        self._queues = queues
        self._most = slots + beside
        self._heartbeat_timeout = heartbeat_timeout
        self._handlers: dict[str, Handler] = {}
        self._is_woken_by_hand = is_woken_by_hand
        self._driver = Driver(pool, is_worth=self._is_worth)
        self._manager = _Manager(self._driver, slots=slots, beside=beside)
        self._ended_at = 0.0
        self._warmed = asyncio.Event()
        # We log a handler's failure ourselves, with our context and without the values in its traceback.
        logging.getLogger("pgqueuer").setLevel(logging.CRITICAL)

    async def refresh(self) -> None:
        """Sync with the current result of `queues`: new queues, removed ones, changed limits."""
        registry = self._manager.entrypoint_registry
        wanted = {queue.name: queue for queue in await self._queues()}
        self._manager.beside_slots = {
            name for name, queue in wanted.items() if not queue.takes_slot
        }
        for name, queue in wanted.items():
            self._handlers[name] = queue.handler
            known = registry.get(name)  # type: ignore[call-overload]
            if known is None:
                self._register(name, queue.limit)
            else:
                known.parameters.concurrency_limit = queue.limit
        for name in set(self._handlers) - set(wanted):
            del self._handlers[name]
            registry.pop(name, None)  # type: ignore[call-overload]

    def wake(self) -> None:
        """Check for entries immediately."""
        self._manager.expect_more()
        self._driver.wake()

    def stop(self) -> None:
        """Stop taking entries; `run` returns once the handlers in progress finish."""
        self._manager.shutdown.set()

    def give_up(self) -> None:
        """After `stop`: no longer wait for a lost database; `run` may raise then."""
        self._driver.give_up()

    @property
    def is_warm(self) -> bool:
        """True once an entry has gone through the queue since startup."""
        return self._warmed.is_set()

    async def run(self) -> None:
        """Take entries and hand them out until `stop`."""
        await self._driver.patiently(self.refresh)
        warm_up: str = await self._driver.patiently(self._send_warm_up)
        try:
            await self._manager.run(
                dequeue_timeout=_POLL,
                batch_size=1,
                # pgqueuer requires at least two; the manager enforces a single slot.
                max_concurrent_tasks=max(_FEWEST_TASKS, self._most),
                heartbeat_timeout=self._heartbeat_timeout,
            )
        finally:
            self._manager.entrypoint_registry.pop(warm_up, None)  # type: ignore[call-overload]

    async def _send_warm_up(self) -> str:
        name = f"warm-up:{uuid4()}"

        async def warmed(_id: str) -> FollowUp:
            self._warmed.set()
            return retry.DONE

        self._handlers[name] = warmed
        self._register(name, 0)
        async with self._pool.acquire() as connection:
            await connection.execute(_FORGET_WARM_UPS)
            await engine.enqueue(connection, engine.Entry(queue=name, id=name))
        return name

    def _register(self, name: str, limit: int) -> None:
        async def hand_over(job: Job) -> None:
            try:
                following = await self._handle(name, (job.payload or b"").decode())
            finally:
                self._manager.under_way.pop(job.id, None)
                self._ended_at = time.monotonic()
                self._manager.expect_more()
                if self._is_woken_by_hand:
                    self._driver.wake()
            if isinstance(following, LookAgain):
                raise RetryRequested(delay=following.after)

        self._manager.entrypoint(name, concurrency_limit=limit, accepts_context=False)(hand_over)

    def _is_worth(self, payload: str) -> bool:
        if self._is_woken_by_hand:
            return not queue_driver.is_change(payload)
        return queue_driver.is_worth_a_look(
            payload,
            is_full=self._manager.is_full,
            is_end_of_interest=self._manager.may_wait
            and time.monotonic() - self._ended_at < _POLL.total_seconds(),
        )

    async def _handle(self, name: str, identifier: str) -> FollowUp:
        handler = self._handlers.get(name)
        if handler is None:
            # This Worker no longer serves the queue.
            return LookAgain(_POLL)
        try:
            return await handler(identifier)
        except Exception:
            log.exception(
                "queue handler failed", event_name="queue_handler_failed", queue=name, id=identifier
            )
            return retry.AFTER_ERROR
