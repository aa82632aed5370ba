"""Waits for a database that went away, or has no room."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from runwright import db_errors

_Value = TypeVar("_Value")
_PATIENCE_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0)


async def patiently(work: Callable[[], Awaitable[_Value]]) -> _Value:
    """Do what must not fail, however long the database is away or its disk full; it may be done twice."""
    tries = 0
    while True:
        try:
            return await work()
        except Exception as error:
            if not db_errors.is_to_wait_for(error):
                raise
            await asyncio.sleep(_PATIENCE_SECONDS[min(tries, len(_PATIENCE_SECONDS) - 1)])
            tries += 1
