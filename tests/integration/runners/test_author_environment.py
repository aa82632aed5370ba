"""What authors' code sees in its environment, and that an unavailable database is waited for."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
from helpers.server import eventually_async

from runwright.adapters.queue import engine
from runwright.control.access import keys
from runwright.domain.ids import ProjectId
from runwright.execution.attempts.author_environment import AuthorEnvironment
from runwright.storage import database
from runwright.storage.postgres import embedded


async def test_variables_are_waited_for_while_the_database_is_away(
    tmp_path: Path, open_platform: Callable[..., Any]
) -> None:
    async with embedded.run(tmp_path / "pg") as server:
        async with database.connect(server.url, min_size=1, max_size=2) as pool:
            await database.migrate(pool)
            async with pool.acquire() as connection:
                await engine.install(connection)
        async with open_platform(server.url, tmp_path) as platform:
            workspace_id, _ = await keys.ensure_first(platform, None)

            async def is_away() -> bool:
                try:
                    await (await asyncpg.connect(server.url)).close()
                except (OSError, asyncpg.PostgresError):
                    return True
                return False

            os.kill(server.pid, signal.SIGKILL)
            await eventually_async(is_away)
            found = await AuthorEnvironment(platform).of_project(workspace_id, ProjectId(uuid4()))

    assert found["INTUNED_WORKSPACE_ID"] == str(workspace_id)
