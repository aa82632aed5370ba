"""Runs held by a Worker, transactions held open while something else happens, and projects for such tests."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

from helpers.server import eventually_async
from runwright.control.base.platform import Platform
from runwright.control.runs import claims
from runwright.control.runs.claims import Claim
from runwright.domain.ids import WorkerId
from runwright.domain.projects import Project

_BLOCKED = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


async def claimed(platform: Platform, run_id: str) -> Claim:
    """Claim a Run for a Worker of its own."""
    claim = await claims.take(platform, run_id, WorkerId(uuid4()))
    assert isinstance(claim, Claim)
    return claim


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
