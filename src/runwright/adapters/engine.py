"""The queue: pgqueuer on our PostgreSQL, and the only module that knows it.

Our tables hold the truth; an entry here only says "look at that". What pgqueuer 1.6 does not do by
itself is done here, each with a test in `tests/integration/test_engine.py`:

- Its loop ends when PostgreSQL goes away: `_Driver` waits for it to come back instead.
- A handler's exception deletes the entry: here it puts the entry back, with a delay.
- A crash re-pick counts no attempt, and a completed entry can be handed out again within 0.1 s:
  handlers must claim in their own table under a fence, and they do.
- Entrypoints and limits are static: `Consumer` follows what `queues()` says now.
- The first job of a fresh process is slow: a warm-up entry goes through the queue first.
- Completions free their slot in batches: a batch size of one frees it at once.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver, AsyncpgPoolDriver
from pgqueuer.errors import RetryRequested
from pgqueuer.models import Job
from pgqueuer.queries import Queries

from runwright import telemetry

log = telemetry.logger(__name__)

_INSTALL_LOCK = 7_240_117
_RECONNECT_DELAYS = (0.05, 0.1, 0.25, 0.5, 1.0)
_AGAIN_AFTER_ERROR = timedelta(seconds=2)
_POLL = timedelta(seconds=1)
_CHANGED = "table_changed_event"
_MISSED_WAKE_UP_POLL = timedelta(milliseconds=20)
_LOST = (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.InternalClientError,
         asyncpg.CannotConnectNowError, asyncpg.AdminShutdownError, asyncpg.CrashShutdownError, TimeoutError)  # fmt: skip

Handler = Callable[[str], Awaitable[timedelta | None]]
"""Looks at the thing with that id; returns None when nothing is left to do, or when to look again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """Something to look at."""

    queue: str
    id: str
    """Unique among the waiting and running entries of all queues."""
    priority: int = 0
    """Higher goes first, over all queues; equals go in order of arrival."""
    delay: timedelta | None = None
    key: str | None = None
    """What must be unique instead of the id: for an entry made while the one before may still be there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Queue:
    """A named queue with its limit over all Workers."""

    name: str
    limit: int
    """Entries handed out at once; 0 is no limit."""
    handler: Handler


async def install(connection: Any) -> None:
    """Create or upgrade the queue's own tables; safe from many processes at once."""
    await connection.execute("SELECT pg_advisory_lock($1)", _INSTALL_LOCK)
    try:
        queries = Queries(AsyncpgDriver(connection))
        if await queries.schema_is_installed():
            await queries.upgrade()
        else:
            await queries.install()
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", _INSTALL_LOCK)


async def enqueue(connection: Any, *entries: Entry) -> None:
    """Add the entries in the connection's transaction, save those that are there already."""
    if not entries:
        return
    await Queries(AsyncpgDriver(connection)).enqueue(
        [entry.queue for entry in entries],
        [entry.id.encode() for entry in entries],
        [entry.priority for entry in entries],
        [entry.delay for entry in entries],
        [entry.key or entry.id for entry in entries],
        on_conflict="skip",
    )


async def without_entry(connection: Any, ids: Sequence[str]) -> list[str]:
    """Return those of the ids that have no waiting or running entry."""
    rows = await connection.fetch(
        "SELECT wanted.id FROM unnest($1::text[]) AS wanted (id)"
        " LEFT JOIN pgqueuer ON payload = convert_to(wanted.id, 'UTF8')"
        " AND status IN ('queued', 'picked') WHERE pgqueuer.id IS NULL",
        list(ids),
    )
    return [row["id"] for row in rows]


async def depth(connection: Any) -> int:
    """Return how many entries wait to be handed out."""
    return await connection.fetchval("SELECT count(*) FROM pgqueuer WHERE status = 'queued'")


class _Driver(AsyncpgPoolDriver):
    """pgqueuer's pool driver, except that a lost connection makes it wait and try again.

    Every statement pgqueuer sends can be sent twice: a pick that was committed and not heard of
    goes stale and is picked again.
    """

    def __init__(self, pool: Any, *, is_woken_by_hand: bool = False) -> None:
        super().__init__(pool)
        self._is_woken_by_hand = is_woken_by_hand
        self._own_pool = pool
        self._listeners: list[tuple[str, Any]] = []
        self._relisten: asyncio.Task[None] | None = None
        self._changed: list[tuple[str, Any]] = []

    def wake(self) -> None:
        """Say that there may be something to hand out, as a change of the queue's table does."""
        for channel, callback in self._changed:
            event = {
                "channel": channel,
                "operation": "insert",
                "sent_at": datetime.now(UTC).isoformat(),
                "table": "pgqueuer",
                "type": _CHANGED,
            }
            callback(json.dumps(event))

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        return await self._patiently(lambda: super(_Driver, self).fetch(query, *args))

    async def execute(self, query: str, *args: object) -> str:
        return await self._patiently(lambda: super(_Driver, self).execute(query, *args))

    async def notify(self, channel: str, payload: str) -> None:
        await self._patiently(lambda: super(_Driver, self).notify(channel, payload))

    async def add_listener(self, channel: str, callback: Any) -> None:
        heard: Any = _unless_changed(callback) if self._is_woken_by_hand else callback
        self._listeners.append((channel, heard))
        self._changed.append((channel, callback))
        await self._patiently(lambda: super(_Driver, self).add_listener(channel, heard))
        self._watch_listener()

    async def __aexit__(self, *error: object) -> None:
        if self._relisten is not None:
            self._relisten.cancel()
        try:
            await super().__aexit__(*error)
        except _LOST:
            # The connection died first; the pool forgets it by itself.
            self._listener_connection = None

    def _watch_listener(self) -> None:
        connection = self._listener_connection
        if connection is not None:
            connection.add_termination_listener(self._start_relistening)

    def _start_relistening(self, _connection: Any) -> None:
        if self._entered > 0 and (self._relisten is None or self._relisten.done()):
            self._relisten = asyncio.get_running_loop().create_task(self._listen_again())

    async def _listen_again(self) -> None:
        dead: Any = self._listener_connection
        self._listener_connection = None
        if dead is not None:
            try:
                await self._own_pool.release(dead)
            except _LOST:
                log.info("queue listener connection discarded", event_name="queue_listener_lost")
        for channel, callback in self._listeners:
            await self._patiently(
                lambda c=channel, b=callback: super(_Driver, self).add_listener(c, b)
            )
        self._watch_listener()

    async def _patiently(self, send: Callable[[], Awaitable[Any]]) -> Any:
        tries = 0
        while True:
            try:
                return await send()
            except _LOST as error:
                if tries == 0:
                    log.warning(
                        "queue lost the database", event_name="queue_lost", error=str(error)
                    )
                await asyncio.sleep(_RECONNECT_DELAYS[min(tries, len(_RECONNECT_DELAYS) - 1)])
                tries += 1


def _unless_changed(callback: Callable[[str], None]) -> Callable[[str], None]:
    """Return the callback for all events but those of a changed table."""

    def heard(payload: str) -> None:
        if f'"{_CHANGED}"' not in payload:
            callback(payload)

    return heard


class Consumer:
    """Hands entries to handlers, at most `slots` at once, until told to stop."""

    def __init__(
        self,
        pool: Any,
        *,
        queues: Callable[[], Awaitable[list[Queue]]],
        slots: int,
        heartbeat_timeout: timedelta,
        is_woken_by_hand: bool = False,
    ) -> None:
        """Take what is needed; `is_woken_by_hand` leaves it to `wake` and to looking once a second.

        Every change of the queue wakes all other Consumers, and each then asks the database.
        """
        self._pool = pool
        self._queues = queues
        self._slots = slots
        self._heartbeat_timeout = heartbeat_timeout
        self._handlers: dict[str, Handler] = {}
        self._driver = _Driver(pool, is_woken_by_hand=is_woken_by_hand)
        self._pgqueuer = PgQueuer(self._driver)
        self._pgqueuer.qm.min_dequeue_poll_interval = _MISSED_WAKE_UP_POLL
        self._warmed = asyncio.Event()
        # A handler's failure is logged by us, with our context and without its traceback's values.
        logging.getLogger("pgqueuer").setLevel(logging.CRITICAL)

    async def refresh(self) -> None:
        """Follow what `queues` says now: new ones, gone ones, changed limits."""
        registry = self._pgqueuer.qm.entrypoint_registry
        wanted = {queue.name: queue for queue in await self._queues()}
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
        """Look at once whether there is something to hand out."""
        self._driver.wake()

    def stop(self) -> None:
        """Hand out nothing more; `run` returns when the running handlers have."""
        self._pgqueuer.shutdown.set()

    @property
    def is_warm(self) -> bool:
        """Return whether an entry has gone through the queue since the start."""
        return self._warmed.is_set()

    async def run(self) -> None:
        """Hand out entries until `stop`."""
        await self.refresh()
        warm_up = await self._send_warm_up()
        try:
            await self._pgqueuer.qm.run(
                dequeue_timeout=_POLL,
                batch_size=1,
                # pgqueuer wants at least two; a single slot is kept by who leases Runners.
                max_concurrent_tasks=max(2, self._slots),
                heartbeat_timeout=self._heartbeat_timeout,
            )
        finally:
            self._pgqueuer.qm.entrypoint_registry.pop(warm_up, None)  # type: ignore[call-overload]

    async def _send_warm_up(self) -> str:
        name = f"warm-up:{uuid4()}"

        async def warmed(_id: str) -> None:
            self._warmed.set()

        self._handlers[name] = warmed
        self._register(name, 0)
        async with self._pool.acquire() as connection:
            await enqueue(connection, Entry(queue=name, id=name))
        return name

    def _register(self, name: str, limit: int) -> None:
        async def hand_over(job: Job) -> None:
            identifier = (job.payload or b"").decode()
            handler = self._handlers.get(name)
            if handler is None:
                raise RetryRequested(delay=_POLL, reason="the queue is gone from this worker")
            again = await self._handle(handler, name, identifier)
            if again is not None:
                raise RetryRequested(delay=again)

        self._pgqueuer.entrypoint(name, concurrency_limit=limit, accepts_context=False)(hand_over)

    async def _handle(self, handler: Handler, name: str, identifier: str) -> timedelta | None:
        try:
            return await handler(identifier)
        except Exception:
            log.exception(
                "queue handler failed", event_name="queue_handler_failed", queue=name, id=identifier
            )
            return _AGAIN_AFTER_ERROR
