"""Counting Runs by spans of time ahead of who looks, so that a chart of a month reads no Run of it."""

from __future__ import annotations

from runwright.control.base.platform import Platform
from runwright.storage import spans as rows

_AT_ONCE = 5_000


async def fill(platform: Platform) -> None:
    """Count what has ended since the last time, in short transactions; another Worker's turn is left to it."""
    async with platform.database.acquire() as connection:
        while await rows.fill(connection, _AT_ONCE):
            pass


async def forget(platform: Platform) -> None:
    """Forget what no chart shows any more."""
    await rows.forget(platform.database)
