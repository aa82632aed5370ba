"""Retries statements that must not fail, for as long as the database is away or out of resources."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from runwright import db_errors, telemetry
from runwright.domain import retry

log = telemetry.logger(__name__)

_Value = TypeVar("_Value")
_SILENT_SECONDS = 5.0
"""Shorter outages are logged where the connection was lost."""


async def patiently(
    work: Callable[[], Awaitable[_Value]], *, is_wanted: Callable[[], bool] = lambda: True
) -> _Value:
    """Retry `work` until it succeeds or `is_wanted` is false; it may run twice.

    Raises:
        Exception: an error of `work` that waiting does not fix (see `db_errors.is_to_wait_for`).
    """
    began, failures, is_told = time.monotonic(), 0, False
    while True:
        try:
            return await work()
        except Exception as error:
            if not is_wanted() or not db_errors.is_to_wait_for(error):
                raise
            failures += 1
            waited = time.monotonic() - began
            if waited > _SILENT_SECONDS and not is_told:
                is_told = True
                log.warning(
                    "waiting for the database", event_name="database_awaited", error=str(error)
                )
            await asyncio.sleep(retry.DATABASE.delay(failures).total_seconds())
