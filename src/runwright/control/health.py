"""Whether this installation can take a Run."""

from __future__ import annotations

import asyncpg

from runwright.control.platform import Platform
from runwright.storage import platform as rows


async def readiness(platform: Platform) -> list[str]:
    """Return why a Run would not be carried out now; nothing means ready."""
    try:
        workers = await rows.live_workers(
            platform.database, platform.settings.heartbeat_timeout * 3
        )
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
        return [f"the database does not answer: {type(error).__name__}"]
    return [] if workers else ["no worker is running: start `runwright worker`"]
