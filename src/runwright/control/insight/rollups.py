"""Counts Runs by spans of time ahead of queries, so that a chart of a month reads no Run of it."""

from __future__ import annotations

from runwright.control.base.platform import Platform
from runwright.storage import spans as rows

_AT_ONCE = 5_000


async def fill(platform: Platform) -> None:
    """Count what has ended since the last time, in short transactions; skip spans that another Worker is counting."""
    async with platform.database.acquire() as connection:
        while await rows.fill(connection, _AT_ONCE):
            pass


async def forget(platform: Platform) -> None:
    """Delete spans that no chart shows anymore."""
    await rows.forget(platform.database)
