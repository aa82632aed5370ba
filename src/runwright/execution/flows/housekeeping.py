"""A Worker's background chores: rollups for charts, nightly pruning, unused folders, the data directory's size limit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

from runwright import db_errors, telemetry
from runwright.adapters import disk
from runwright.control.base.platform import Platform
from runwright.control.insight import metrics, rollups
from runwright.control.runs import model_calls, questions
from runwright.control.upkeep import disk_quota, retention
from runwright.domain.retention import Removed
from runwright.execution.attempts.attempt_executor import AttemptExecutor
from runwright.execution.deployments import cache_gc
from runwright.storage.postgres import cluster_homes

log = telemetry.logger(__name__)

_LOOK_SECONDS = 60.0
_CACHE_GC_SECONDS = 3600.0
_NIGHT = timedelta(hours=4)
_JUST_USED = timedelta(hours=1)
"""A folder used this recently stays even above the limit: a deploy may be building on it."""
_ROOM = 0.95
"""Fraction of the limit to shrink to, so that folders do not have to go one at a time."""


class Housekeeping:
    """Housekeeping for one Worker."""

    def __init__(self, platform: Platform, executor: AttemptExecutor) -> None:
        self._platform = platform
        self._executor = executor
        self._collected_at: float | None = None

    async def run(self) -> None:
        """Do what is due, once a minute, forever."""
        while True:
            for act in (self._count, self._collect_garbage, self.enforce_quota, self._prune):
                await _try(act)
            await asyncio.sleep(_LOOK_SECONDS)

    async def enforce_quota(self) -> None:
        """Shrink the data directory below its limit: first what can be rebuilt, then old files."""
        limit = self._platform.settings.max_data_bytes
        if limit is None:
            return
        data_dir = self._platform.settings.data_dir
        used = await asyncio.to_thread(used_bytes, data_dir)
        if used <= limit:
            return
        self._executor.forget_idle()
        target = int(limit * _ROOM)
        folders = await self._sweep(_JUST_USED, enough_bytes=used - target)
        removed: list[Removed] = []
        left = await asyncio.to_thread(used_bytes, data_dir)
        if left > target:
            removed = await disk_quota.shed(self._platform, left - target)
            left = await asyncio.to_thread(used_bytes, data_dir)
        (log.info if left <= limit else log.warning)(
            "data directory was above its size limit",
            event_name="ceiling_kept" if left <= limit else "ceiling_exceeded",
            limit_bytes=limit,
            used_bytes=used,
            left_bytes=left,
            folders=len(folders),
            removed={each.kind.value: each.count for each in removed},
        )

    async def _count(self) -> None:
        await rollups.fill(self._platform)
        await model_calls.count_lost(self._platform)
        await metrics.fold(self._platform)

    async def _prune(self) -> None:
        await retention.prune_if_due(self._platform, patience=_NIGHT)

    async def _collect_garbage(self) -> None:
        if (
            self._collected_at is not None
            and time.monotonic() < self._collected_at + _CACHE_GC_SECONDS
        ):
            return
        self._collected_at = time.monotonic()
        await questions.forget_untaken(self._platform)
        await rollups.forget(self._platform)
        self._executor.forget_idle()
        await self._sweep(self._platform.settings.unused_retention)
        data_dir = self._platform.settings.data_dir
        await asyncio.to_thread(cache_gc.sweep_leftovers, data_dir, now=time.time())

    async def _sweep(self, unused_for: timedelta, *, enough_bytes: int | None = None) -> list[Path]:
        return await asyncio.to_thread(
            cache_gc.sweep,
            self._platform.settings.data_dir,
            kept=self._executor.folders,
            unused_for=unused_for,
            now=time.time(),
            enough_bytes=enough_bytes,
        )


def used_bytes(data_dir: Path) -> int:
    """Disk usage of the data directory, including a database stored elsewhere."""
    used = disk.used_bytes(data_dir)
    home = cluster_homes.home(data_dir / "postgresql")
    if home is not None and not home.is_relative_to(data_dir):
        used += disk.used_bytes(home)
    return used


async def _try(act: Callable[[], Awaitable[None]]) -> None:
    try:
        await act()
    except Exception as error:
        # It is tried again at the next round.
        if db_errors.is_passing(error):
            log.warning("housekeeping cannot reach the database", event_name="housekeeping_lost")
        else:
            log.exception("housekeeping failed", event_name="housekeeping_failed")
