"""The state machines' connection to the database: it breaks on demand, and observes the order of locks."""

from __future__ import annotations

from uuid import uuid4

import asyncpg
import pytest
from machines.lines import Cut
from machines.stage import Stage

from runwright.control.runs import claims, runs
from runwright.domain.auth_sessions import SessionStatus, SessionType
from runwright.domain.ids import WorkerId
from runwright.domain.runs import Run, RunRequest
from runwright.storage import auth_sessions as session_rows, runs as run_rows
from runwright.storage.auth_sessions import NewSession


async def _start(stage: Stage) -> Run:
    project = await stage.make_project("p")
    request = RunRequest(api="a", parameters={})
    return await runs.start(stage.platform, project, request, idempotency_key=None, request_text="")


@pytest.mark.parametrize("is_answer_lost", [False, True])
async def test_what_is_cut_before_a_message_never_happened_and_what_is_cut_after_it_did(
    stage: Stage, is_answer_lost: bool
) -> None:
    run = await _start(stage)
    # The first message prepares the statement.
    stage.line.break_at(Cut(after=1, is_answer_lost=is_answer_lost))

    with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError)):
        await claims.take(stage.platform, run.id, WorkerId(uuid4()))

    assert stage.line.has_broken
    fence = await stage.watch.fetchval("SELECT fence FROM runs WHERE id = $1", run.id)
    assert fence == is_answer_lost


@pytest.mark.parametrize("is_in_order", [True, False])
async def test_a_session_that_is_locked_after_its_run_is_noticed(
    stage: Stage, is_in_order: bool
) -> None:
    run = await _start(stage)
    new = NewSession(
        project_id=run.project_id,
        id="s",
        type=SessionType.RECORDER,
        status=SessionStatus.PENDING,
    )
    await session_rows.insert(stage.watch, new)

    async with stage.platform.database.acquire() as connection, connection.transaction():
        if is_in_order:
            await session_rows.lock(connection, run.project_id, "s")
        await run_rows.lock(connection, run.id)
        await session_rows.lock(connection, run.project_id, "s")

    assert bool(stage.line.out_of_order) != is_in_order
