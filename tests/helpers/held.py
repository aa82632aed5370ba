"""Transactions held open while something else happens, and projects for such tests."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from helpers.server import eventually_async
from runwright.control.base.platform import Platform
from runwright.domain.projects import Project

_BLOCKED = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


@asynccontextmanager
async def held(platform: Platform) -> AsyncGenerator[Any]:
    """Yield a connection in a transaction that stays open until the block ends."""
    async with platform.database.acquire() as connection, connection.transaction():
        yield connection


async def blocked(platform: Platform) -> int:
    """Wait until a process of the database waits for a lock; return its id."""
    return await eventually_async(lambda: platform.database.fetchval(_BLOCKED))


def with_sessions(project: Project) -> Project:
    """Return the project with AuthSessions that its code can create."""
    current = project.current
    assert current is not None
    assert current.manifest is not None
    settings = replace(current.manifest.settings, has_auth_sessions=True, can_create_sessions=True)
    manifest = replace(current.manifest, settings=settings)
    return replace(project, current=replace(current, manifest=manifest))
