"""Diagnostics of Workers' machines: requests for them, their timing, and their findings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from runwright.adapters import signals
from runwright.control.base.platform import Platform
from runwright.domain.ids import WorkerId
from runwright.domain.insight.diagnostics import Finding
from runwright.storage import database, platform as rows

TOPIC = "examine"
"""Signaled when Workers should examine their machines."""
_EVERY = timedelta(hours=1)
_FIRST_AFTER = timedelta(minutes=1)
"""A Worker that has just started is busy."""


async def ask(platform: Platform) -> None:
    """Ask every Worker to examine its machine now."""
    async with platform.database.acquire() as connection, database.transaction(connection):
        await rows.ask_for_examinations(connection)
        await signals.send(connection, TOPIC)


async def is_due(platform: Platform, worker_id: WorkerId) -> bool:
    """True when a Worker should examine its machine: on request, or because the last time was long ago."""
    return await rows.is_examination_due(
        platform.database, worker_id, every=_EVERY, first_after=_FIRST_AFTER
    )


async def publish(platform: Platform, worker_id: WorkerId, found: Sequence[Finding]) -> None:
    """Store a Worker's findings about its machine."""
    await rows.publish_findings(platform.database, worker_id, found)
