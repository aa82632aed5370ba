"""Fires Jobs when they are due. Every Worker does this; each firing is taken by one."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from runwright import db_errors, telemetry
from runwright.adapters import signals
from runwright.control.base import admission
from runwright.control.base.platform import Platform
from runwright.control.jobs import firing
from runwright.storage import database

log = telemetry.logger(__name__)

_LOOK_SECONDS = 1.0
_SHORTEST_SECONDS = 0.001


class ScheduleTick:
    """Fires Jobs on one Worker."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Fire nothing more."""
        self._stopping.set()

    async def run(self) -> None:
        """Fire due Jobs until `stop`; a new or changed Schedule is noticed at once."""
        with self._platform.signals.subscribe("schedules") as changed:
            while not self._stopping.is_set():
                changed.clear()
                await signals.wait(changed, await self._fire())

    async def _fire(self) -> float:
        """Fire due Jobs; return the seconds until the next look."""
        if admission.is_disk_short(self._platform.settings):
            # A JobRun takes disk space too. Another Worker may have some; if none does, firings are missed.
            return _LOOK_SECONDS
        try:
            # Workers' clocks may differ; Jobs fire by the database's.
            ahead = await database.now(self._platform.database) - datetime.now(UTC)
            while not self._stopping.is_set():
                now = datetime.now(UTC) + ahead
                if await firing.fire_due(self._platform, now) < firing.FIRED_AT_ONCE:
                    break
            following = await firing.next_moment(self._platform)
        except Exception as error:
            if db_errors.is_passing(error):
                log.warning("cannot fire jobs: no database", event_name="tick_database_lost")
            else:
                log.exception("tick failed", event_name="tick_failed")
            return _LOOK_SECONDS
        if following is None:
            return _LOOK_SECONDS
        left = (following - datetime.now(UTC) - ahead).total_seconds()
        return min(max(left, _SHORTEST_SECONDS), _LOOK_SECONDS)
