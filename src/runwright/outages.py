"""What asyncpg raises when the database has gone away: a statement that may succeed once it is back."""

from __future__ import annotations

import asyncpg

CONNECTION_LOST: tuple[type[Exception], ...] = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InterfaceError,
    # What is asked of a connection that is just dying, in the middle of something else.
    asyncpg.InternalClientError,
    TimeoutError,
)

# pgqueuer's loop ends at what it does not know: of a disk that is full, too.
WAITED_FOR = (*CONNECTION_LOST, asyncpg.InsufficientResourcesError)
"""The same, and what it raises when it has no room on its disk or in its memory."""
