"""A process that starts while its database connection breaks: it waits, then starts."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from helpers.server import eventually_async
from machines.lines import Cut, line
from machines.stage import Stage

from runwright import processes
from runwright.adapters.queue import consumer
from runwright.db_retry import patiently
from runwright.storage import database

_CUTS = [
    Cut(after=after, is_answer_lost=is_answer_lost)
    for after in (0, 1, 2, 4, 7)
    for is_answer_lost in (False, True)
]


@pytest.mark.parametrize("cut", _CUTS, ids=str)
async def test_a_consumer_whose_connection_breaks_as_it_begins_begins_all_the_same(
    stage: Stage, cut: Cut
) -> None:
    async def queues() -> list[consumer.Queue]:
        await stage.platform.database.fetchval("SELECT 1")
        return []

    begun = consumer.Consumer(
        stage.platform.database, queues=queues, slots=1, heartbeat_timeout=timedelta(seconds=30)
    )
    stage.line.break_at(cut)
    running = asyncio.create_task(begun.run())

    async def is_warm() -> bool:
        assert not running.done()
        return begun.is_warm

    await eventually_async(is_warm)
    begun.stop()
    await running
    assert stage.line.has_broken


@pytest.mark.parametrize("cut", _CUTS, ids=str)
async def test_the_schema_is_brought_up_to_date_though_the_connection_breaks_over_it(
    stage: Stage, cut: Cut
) -> None:
    stage.line.break_at(cut)

    await patiently(lambda: processes._upgrade(stage.platform.database))

    assert stage.line.has_broken
    locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
    assert await eventually_async(lambda: _is_none(stage, locks))


@pytest.mark.parametrize("cut", _CUTS, ids=str)
async def test_a_pool_opens_though_the_connection_breaks_over_it(
    database_url: str, tmp_path: Path, cut: Cut
) -> None:
    async with line(database_url, tmp_path) as (opened, url):
        opened.break_at(cut)

        async with database.connect(url, min_size=1, max_size=1) as pool:
            assert pool.get_size() == 1


async def _is_none(stage: Stage, question: str) -> bool:
    return await stage.watch.fetchval(question) == 0
