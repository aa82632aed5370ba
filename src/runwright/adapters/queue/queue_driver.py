"""pgqueuer's driver, made to survive a lost database, and to wake a Consumer only when it can take an entry."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from pgqueuer.db import AsyncpgPoolDriver

from runwright import db_errors, telemetry
from runwright.db_retry import patiently

log = telemetry.logger(__name__)

_CHANGED = "table_changed_event"
_DONE = re.compile(r'"operation" ?: ?"delete"')


class Driver(AsyncpgPoolDriver):
    """pgqueuer's pool driver, except that it waits and retries on any transient error.

    pgqueuer's loop ends at an unknown error, and so would the Worker.

    Every statement pgqueuer sends is safe to repeat: a pick that was committed without a response
    goes stale and is picked again.
    """

    def __init__(self, pool: Any, *, is_worth: Callable[[str], bool] = bool) -> None:
        """`is_worth` decides whether an event with that payload is worth a query."""
        super().__init__(pool)
        self._is_worth = is_worth
        self._is_patient = True
        self._own_pool = pool
        self._listeners: list[tuple[str, Any]] = []
        self._relisten: asyncio.Task[None] | None = None
        self._changed: list[tuple[str, Any]] = []

    def wake(self) -> None:
        """Signal that entries may be waiting, as a change to the queue's table does."""
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
        """Execute a statement and return its rows."""
        return await self.patiently(lambda: super(Driver, self).fetch(query, *args))

    async def execute(self, query: str, *args: object) -> str:
        """Execute a statement."""
        return await self.patiently(lambda: super(Driver, self).execute(query, *args))

    async def notify(self, channel: str, payload: str) -> None:
        """Send an event."""
        await self.patiently(lambda: super(Driver, self).notify(channel, payload))

    async def add_listener(self, channel: str, callback: Any) -> None:
        """Listen on a channel, again after each lost connection."""
        heard: Any = _when(self._is_worth, callback)
        self._listeners.append((channel, heard))
        self._changed.append((channel, callback))
        await self.patiently(lambda: super(Driver, self).add_listener(channel, heard))
        self._watch_listener()

    async def __aexit__(self, *raised: object) -> None:
        if self._relisten is not None:
            self._relisten.cancel()
        try:
            await super().__aexit__(*raised)
        except Exception as error:
            if not db_errors.is_passing(error):
                raise
            # The connection is already dead; the pool drops it by itself.
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
            except Exception as error:
                if not db_errors.is_passing(error):
                    raise
                log.info("queue listener connection discarded", event_name="queue_listener_lost")
        for channel, callback in self._listeners:
            await self.patiently(
                lambda c=channel, b=callback: super(Driver, self).add_listener(c, b)
            )
        self._watch_listener()

    def give_up(self) -> None:
        """Stop waiting for a lost database."""
        self._is_patient = False

    async def patiently(self, send: Callable[[], Awaitable[Any]]) -> Any:
        """Retry until the database responds, or until `give_up`."""
        return await patiently(send, is_wanted=lambda: self._is_patient)


def is_change(payload: str) -> bool:
    """True when an event says that entries were added or removed."""
    return f'"{_CHANGED}"' in payload


def is_worth_a_look(payload: str, *, is_full: bool, is_end_of_interest: bool) -> bool:
    """True when a Consumer that receives the event must query the database for entries.

    Every entry added or completed wakes every Consumer, and each query costs a statement. A full Consumer
    cannot take anything; an entry completed elsewhere frees slots elsewhere, and makes no room here unless
    something was waiting behind a limit.
    """
    if not is_change(payload):
        return True
    return not is_full and (_DONE.search(payload) is None or is_end_of_interest)


def _when(is_worth: Callable[[str], bool], callback: Callable[[str], None]) -> Any:
    """Wrap the callback to receive only events worth a look."""

    def heard(payload: str) -> None:
        if is_worth(payload):
            callback(payload)

    return heard
