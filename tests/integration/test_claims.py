"""Claims, fences and turns: what keeps one Run from being carried out twice, or never."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from runwright.adapters import engine
from runwright.control import attempts, deployments, runs
from runwright.control.platform import Platform
from runwright.domain.failures import Failure
from runwright.domain.ids import WorkerId
from runwright.domain.projects import Project
from runwright.domain.runs import AttemptStatus, Outcome, Run, RunRequest, RunStatus
from runwright.errors import Category, Conflict, FailureCode
from runwright.storage import runs as rows

MakeProject = Callable[..., Any]
_FAILURE = Failure(
    code=FailureCode.EXECUTION_EXCEPTION, category=Category.EXECUTION, message="no", retryable=True
)


async def _start(
    platform: Platform, project: Project, attempts_: int = 1, key: str | None = None
) -> Run:
    request = RunRequest(api="a", parameters={}, maximum_attempts=attempts_)
    return await runs.start(
        platform, project, request, idempotency_key=key, request_text=str(attempts_)
    )


async def _claim(platform: Platform, run: Run) -> attempts.Claim:
    claim = await attempts.claim(platform, run.id, WorkerId(uuid4()))
    assert claim is not None
    return claim


async def test_an_old_fence_changes_nothing(platform: Platform, make_project: MakeProject) -> None:
    project = await make_project()
    run = await _start(platform, project, attempts_=3)
    old = await _claim(platform, run)
    new = await _claim(platform, run)

    await attempts.end(platform, old, Outcome(result='"old"'))
    assert await attempts.give_back(platform, old) is False
    await attempts.end(platform, new, Outcome(result='"new"'))

    found = await runs.detail(platform, project.workspace_id, run.id)
    assert (found.run.result, found.run.attempt) == ('"new"', 2)
    assert [each.status for each in found.attempts] == [
        AttemptStatus.FAILED,
        AttemptStatus.COMPLETED,
    ]
    assert await attempts.interrupted(platform, [old]) == {run.id: True}


async def test_a_lost_worker_counts_as_an_attempt(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    run = await _start(platform, project, attempts_=1)
    await _claim(platform, run)

    again = await attempts.claim(platform, run.id, WorkerId(uuid4()))

    found = await runs.get(platform, project.id, run.id)
    assert again is None
    assert found.failure is not None
    assert found.failure.code is FailureCode.PROCESS_CRASHED


async def test_a_run_that_kills_its_workers_fails_whatever_its_retries(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    run = await _start(platform, project, attempts_=50)
    for _ in range(platform.settings.max_crashes):
        await _claim(platform, run)

    assert await attempts.claim(platform, run.id, WorkerId(uuid4())) is None
    assert (await runs.get(platform, project.id, run.id)).status is RunStatus.FAILED


async def test_an_attempt_given_back_does_not_count(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    run = await _start(platform, project)

    await attempts.give_back(platform, await _claim(platform, run))
    claim = await _claim(platform, run)

    assert claim.attempt == 1
    await attempts.end(platform, claim, Outcome(result="1"))
    found = await runs.detail(platform, project.workspace_id, run.id)
    assert len(found.attempts) == 1


async def test_different_failures_are_summed_up(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    run = await _start(platform, project, attempts_=2)
    await _claim(platform, run)

    await attempts.end(platform, await _claim(platform, run), Outcome(failure=_FAILURE))

    found = await runs.get(platform, project.id, run.id)
    assert found.failure is not None
    assert found.failure.code is FailureCode.ALL_ATTEMPTS_FAILED
    assert [each["code"] for each in found.failure.details["attempts"]] == [
        "script-process-crashed",
        "script-execution-exception",
    ]


@pytest.mark.parametrize("is_started", [False, True])
async def test_a_cancel_reaches_a_run_in_either_state(
    platform: Platform, make_project: MakeProject, is_started: bool
) -> None:
    project = await make_project()
    run = await _start(platform, project)
    claim = await _claim(platform, run) if is_started else None

    canceled = await runs.cancel(platform, project.id, run.id)

    if claim is None:
        assert canceled.status is RunStatus.CANCELED
        assert await attempts.claim(platform, run.id, WorkerId(uuid4())) is None
    else:
        assert await attempts.interrupted(platform, [claim]) == {run.id: False}
        # Its worker dies before it hears of it: whoever looks next cancels.
        assert await attempts.claim(platform, run.id, WorkerId(uuid4())) is None
        assert (await runs.get(platform, project.id, run.id)).status is RunStatus.CANCELED


async def test_a_lost_queue_entry_is_made_again(
    platform: Platform, make_project: MakeProject
) -> None:
    run = await _start(platform, await make_project())
    async with platform.database.acquire() as connection:
        await connection.execute("DELETE FROM pgqueuer")
        await connection.execute("UPDATE runs SET created_at = created_at - interval '1 minute'")

    assert await attempts.requeue_lost(platform) == [run.id]
    assert await attempts.requeue_lost(platform) == []


async def test_a_busy_project_does_not_hold_up_another(
    platform: Platform, make_project: MakeProject
) -> None:
    busy, calm = await make_project("busy"), await make_project("calm")
    for _ in range(20):
        await _start(platform, busy)

    late = await _start(platform, calm)

    async with platform.database.acquire() as connection:
        order = [
            row["dedupe_key"]
            for row in await connection.fetch(
                "SELECT dedupe_key FROM pgqueuer ORDER BY priority DESC, id"
            )
        ]
    assert order.index(late.id) <= 1


async def test_one_idempotency_key_at_the_same_moment_makes_one_run(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()

    found = await asyncio.gather(*(_start(platform, project, key="k") for _ in range(10)))

    assert len({run.id for run in found}) == 1
    with pytest.raises(Conflict):
        await _start(platform, project, attempts_=2, key="k")


async def test_an_idempotency_key_is_free_again_after_a_day(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    first = await _start(platform, project, key="k")
    async with platform.database.acquire() as connection:
        await connection.execute("UPDATE runs SET created_at = created_at - interval '25 hours'")

    second = await _start(platform, project, attempts_=2, key="k")

    assert second.id != first.id


async def test_run_and_entry_are_committed_together(
    platform: Platform, make_project: MakeProject
) -> None:
    run = await _start(platform, await make_project())

    async with platform.database.acquire() as connection:
        assert await engine.without_entry(connection, [run.id]) == []
        assert await rows.get(connection, run.id) is not None


async def test_a_deployment_that_nothing_needs_is_forgotten(
    platform: Platform, make_project: MakeProject
) -> None:
    unneeded, needed = await make_project("one"), await make_project("two")
    await _start(platform, needed)
    async with platform.database.acquire() as connection:
        await connection.execute("UPDATE projects SET current_deployment_id = NULL")
        await connection.execute("UPDATE deployments SET ended_at = now() - interval '1 year'")

    await deployments.forget_unneeded(platform)

    assert await deployments.list_all(platform, unneeded.id) == []
    assert len(await deployments.list_all(platform, needed.id)) == 1
