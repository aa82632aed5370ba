"""Examinations of Workers' machines: asking for them, when they are due, what they found."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from runwright.adapters import signals
from runwright.control.base.platform import Platform
from runwright.domain.ids import WorkerId
from runwright.domain.insight.diagnostics import Finding
from runwright.storage import database, platform as rows

TOPIC = "examine"
"""Signalled when Workers are to examine their machines."""
_EVERY = timedelta(hours=1)
_FIRST_AFTER = timedelta(minutes=1)
"""At its start a Worker has other things to do."""


async def ask(platform: Platform) -> None:
    """Have every Worker examine its machine now."""
    async with platform.database.acquire() as connection, database.transaction(connection):
        await rows.ask_for_examinations(connection)
        await signals.send(connection, TOPIC)


async def is_due(platform: Platform, worker_id: WorkerId) -> bool:
    """Return whether a Worker is to examine its machine: it was asked, or has not for long."""
    return await rows.is_examination_due(
        platform.database, worker_id, every=_EVERY, first_after=_FIRST_AFTER
    )


async def publish(platform: Platform, worker_id: WorkerId, found: Sequence[Finding]) -> None:
    """Keep what a Worker found on its machine."""
    await rows.publish_findings(platform.database, worker_id, found)
