"""The installation's state for metrics, from the database: bounded statements, at most one round per second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from runwright import db_errors
from runwright.adapters.queue import engine
from runwright.control.base.platform import Platform
from runwright.domain.insight.metrics import Standing
from runwright.storage import metrics as rows

SCHEDULE_LATENESS = "schedule_lateness_seconds"
"""From the time a Schedule sets to the start of its JobRun."""
_COUNTED = 100_000
"""Counting stops at this many rows."""
_WORKERS = 1_000
_FRESH_SECONDS = 1.0
_PATIENCE_SECONDS = 5.0


class Standings:
    """Reads the installation's state from the database; concurrent callers share one result."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._lock = asyncio.Lock()
        self._asked_at = float("-inf")
        self._known: Standing | None = None

    async def now(self) -> Standing | None:
        """The current state; None when the database is unreachable."""
        async with self._lock:
            if time.monotonic() > self._asked_at + _FRESH_SECONDS:
                self._known = await self._ask()
                self._asked_at = time.monotonic()
            return self._known

    async def _ask(self) -> Standing | None:
        try:
            async with (
                asyncio.timeout(_PATIENCE_SECONDS),
                self._platform.database.acquire() as connection,
            ):
                return await _standing(self._platform, connection)
        except Exception as error:
            if not db_errors.is_passing(error):
                raise
            return None


async def observe(connection: Any, name: str, durations: Sequence[timedelta]) -> None:
    """Add durations to the histogram of that name, in the connection's transaction."""
    if durations:
        await rows.observe(connection, name, durations)


async def fold(platform: Platform) -> None:
    """Add up the counts of closed connections."""
    await rows.fold(platform.database)


async def _standing(platform: Platform, connection: Any) -> Standing:
    database_bytes, pruned_at = await rows.others(connection)
    return Standing(
        counters=await rows.counters(connection),
        queue=await rows.queue(connection, _COUNTED),
        started=await rows.started(connection, _COUNTED),
        deliveries=await rows.deliveries(connection, _COUNTED),
        entries=await engine.entries(connection, _COUNTED),
        workers=await rows.workers(connection, platform.settings.heartbeat_timeout * 3, _WORKERS),
        database_bytes=database_bytes,
        pruned_at=pruned_at,
    )
