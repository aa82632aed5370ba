"""The number of a project's waiting Runs: exact where it matters, and never counted one by one at each start."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from helpers.server import eventually_async

from runwright.control.base.platform import Platform
from runwright.control.base.queue_lengths import EXACT, QueueLengths
from runwright.control.runs import runs
from runwright.domain.projects import Project
from runwright.domain.runs import RunRequest
from runwright.errors import RateLimited
from runwright.storage import runs as rows

MakeProject = Callable[..., Any]


class _Asked:
    """A connection that notes up to how many are counted."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.mosts: list[int] = []

    async def fetchval(self, sql: str, project_id: Any, most: int) -> Any:
        self.mosts.append(most)
        return await self._connection.fetchval(sql, project_id, most)


def _limited(platform: Platform, most: int) -> Platform:
    settings = dataclasses.replace(platform.settings, max_queued_runs=most)
    return dataclasses.replace(platform, settings=settings)


async def _start(platform: Platform, project: Project) -> None:
    request = RunRequest(api="a", parameters={})
    await runs.start(platform, project, request, idempotency_key=None, request_text="")


async def _let_wait(platform: Platform, project: Project, number: int) -> None:
    await _start(platform, project)
    columns = "workspace_id, project_id, deployment_id, api, parameters, save_trace, request_timeout, maximum_attempts"
    await platform.database.execute(
        f"INSERT INTO runs (id, turn, {columns}) SELECT 'r' || n, n, {columns} FROM runs, generate_series(2, $1) AS n",
        number,
    )


async def test_a_short_queue_is_full_and_has_room_again_at_once(
    platform: Platform, make_project: MakeProject
) -> None:
    project, limited = await make_project(), _limited(platform, 3)
    for _ in range(3):
        await _start(limited, project)

    with pytest.raises(RateLimited, match="3 runs of this project are waiting already"):
        await _start(limited, project)

    await platform.database.execute(
        "UPDATE runs SET status = 'started' WHERE id = (SELECT min(id) FROM runs)"
    )
    await _start(limited, project)
    with pytest.raises(RateLimited):
        await _start(limited, project)


async def test_a_long_queue_lets_in_as_many_as_it_may_hold_and_more_once_some_have_left(
    platform: Platform, make_project: MakeProject
) -> None:
    project, most = await make_project(), EXACT + 200
    limited = _limited(platform, most)
    await _let_wait(platform, project, most - 2)

    for _ in range(2):
        await _start(limited, project)
    with pytest.raises(RateLimited):
        await _start(limited, project)
    assert await rows.count_waiting(platform.database, project.id, 10_000) == most

    await platform.database.execute("UPDATE runs SET status = 'started' WHERE id = 'r7'")

    async def is_let_in() -> bool:
        return await limited.queue_lengths.has_room(platform.database, project.id, most)

    assert await eventually_async(is_let_in, within=10)


async def test_a_long_queue_is_not_counted_at_every_look(
    platform: Platform, make_project: MakeProject
) -> None:
    project, most = await make_project(), 100_000
    await _let_wait(platform, project, EXACT + 200)
    now = 0.0
    lengths, asked = QueueLengths(lambda: now), _Asked(platform.database)

    for _ in range(20):
        assert await lengths.has_room(asked, project.id, most)
    now = 2.0
    assert await lengths.has_room(asked, project.id, most)

    assert asked.mosts.count(EXACT) == 21
    assert asked.mosts.count(most) == 2
