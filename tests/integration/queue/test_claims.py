"""Claims, fences and turns: what keeps a Run from being executed twice, or never."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from helpers.held import claimed
from helpers.server import eventually_async

from runwright.adapters.queue import engine
from runwright.control.base.platform import Platform
from runwright.control.runs import attempts, claims, runs
from runwright.domain.deliveries import sinks
from runwright.domain.failures import Failure
from runwright.domain.ids import WorkerId
from runwright.domain.projects import Project
from runwright.domain.retry import DONE, LookAgain
from runwright.domain.runs import (
    AttemptStatus,
    Outcome,
    Run,
    RunFile,
    RunKind,
    RunRequest,
    RunStatus,
)
from runwright.errors import Category, Conflict, FailureCode
from runwright.storage import platform as workers, runs as rows

MakeProject = Callable[..., Any]
_FAILURE = Failure(
    code=FailureCode.EXECUTION_EXCEPTION, category=Category.EXECUTION, message="no", retryable=True
)
_SINK = sinks.parse({"type": "webhook", "url": "https://example.com/"})


async def _start(
    platform: Platform, project: Project, attempts_: int = 1, key: str | None = None
) -> Run:
    request = RunRequest(api="a", parameters={}, maximum_attempts=attempts_)
    return await runs.start(
        platform, project, request, idempotency_key=key, request_text=str(attempts_)
    )


async def test_an_old_fence_changes_nothing(platform: Platform, make_project: MakeProject) -> None:
    project = await make_project()
    run = await _start(platform, project, attempts_=3)
    old = await claimed(platform, run.id)
    new = await claimed(platform, run.id)

    await attempts.end(platform, old, Outcome(result='"old"'))
    assert await claims.give_back(platform, old) is False
    await attempts.end(platform, new, Outcome(result='"new"'))

    found = await runs.detail(platform, project.workspace_id, run.id)
    assert (found.run.result, found.run.attempt) == ('"new"', 2)
    assert [each.status for each in found.attempts] == [
        AttemptStatus.FAILED,
        AttemptStatus.COMPLETED,
    ]
    assert await claims.interrupted(platform, [old]) == {run.id: True}


async def test_a_lost_worker_counts_as_an_attempt(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    run = await _start(platform, project, attempts_=1)
    await claimed(platform, run.id)

    again = await claims.take(platform, run.id, WorkerId(uuid4()))

    found = await runs.get(platform, project.id, run.id)
    assert again == DONE
    assert found.failure is not None
    assert found.failure.code is FailureCode.PROCESS_CRASHED


async def _beating(platform: Platform, *, silent: str = "0 s", steady: str = "1 hour") -> WorkerId:
    """Return a Worker that was heard of so long ago, and without a gap for that long."""
    worker_id = WorkerId(uuid4())
    await workers.beat(platform.database, worker_id, "here", 1, 1, silence=timedelta(seconds=5))
    await platform.database.execute(
        "UPDATE workers SET heartbeat_at = now() - $2::text::interval,"
        " steady_since = now() - $3::text::interval WHERE id = $1",
        worker_id,
        silent,
        steady,
    )
    return worker_id


@pytest.mark.parametrize(
    ("holder", "asking", "is_taken"),
    [
        ({}, {}, False),
        ({"silent": "1 minute"}, {}, True),
        # Neither was heard of: the database was away, or the network of the one that asks.
        ({"silent": "1 minute"}, {"silent": "1 minute"}, False),
        ({"silent": "1 minute"}, {"steady": "1 s"}, False),
        # It was cut off itself for a while: others may have been for a little longer.
        ({"silent": "6 s"}, {"silent": "3 s"}, False),
    ],
)
async def test_an_attempt_is_lost_only_with_its_worker(
    platform: Platform,
    make_project: MakeProject,
    holder: dict[str, str],
    asking: dict[str, str],
    is_taken: bool,
) -> None:
    # What began just now cannot have heard of anyone.
    uptime = "SELECT clock_timestamp() - pg_postmaster_start_time() > interval '6 seconds'"
    await eventually_async(lambda: platform.database.fetchval(uptime))
    project = await make_project()
    run = await _start(platform, project, attempts_=2)
    first = await _beating(platform, **holder)
    await claims.take(platform, run.id, first)

    found = await claims.take(platform, run.id, await _beating(platform, **asking))

    assert isinstance(found, claims.Claim if is_taken else LookAgain)
    if not is_taken:
        await workers.forget_worker(platform.database, first)
        assert isinstance(await claims.take(platform, run.id, WorkerId(uuid4())), claims.Claim)


async def test_a_claim_whose_answer_was_never_heard_does_not_count(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    run = await _start(platform, project, attempts_=1)
    worker_id = await _beating(platform)
    await claims.take(platform, run.id, worker_id)

    claim = await claims.take(platform, run.id, worker_id)

    assert isinstance(claim, claims.Claim)
    assert (claim.attempt, claim.fence) == (1, 2)
    await attempts.end(platform, claim, Outcome(result="1"))
    assert (await runs.get(platform, project.id, run.id)).status is RunStatus.COMPLETED


async def test_a_disowned_run_is_taken_up_at_once(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    run = await _start(platform, project, attempts_=2)
    claim = await claims.take(platform, run.id, await _beating(platform))
    assert isinstance(claim, claims.Claim)

    await claims.disown(platform, claim)

    again = await claims.take(platform, run.id, await _beating(platform))
    assert isinstance(again, claims.Claim)
    assert again.attempt == 2


@pytest.mark.parametrize("silent", ["1 minute", "3 s"])
async def test_a_gap_between_two_beats_is_remembered(platform: Platform, silent: str) -> None:
    worker_id = await _beating(platform, silent=silent)

    for _ in range(2):
        await workers.beat(platform.database, worker_id, "here", 1, 1, silence=timedelta(seconds=5))

    since = await platform.database.fetchval(
        "SELECT now() - steady_since FROM workers WHERE id = $1", worker_id
    )
    assert since < timedelta(seconds=30)


async def test_a_file_is_put_on_its_run_once(platform: Platform, make_project: MakeProject) -> None:
    project = await make_project()
    run = await _start(platform, project)
    file = RunFile(
        id=0, attempt=1, kind="trace", name="t", size_bytes=1, blob="b", created_at=run.created_at
    )

    for _ in range(2):
        await attempts.add_file_of(platform, run.id, file)

    assert len((await runs.detail(platform, project.workspace_id, run.id)).files) == 1


async def test_a_run_that_kills_its_workers_fails_whatever_its_retries(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    run = await _start(platform, project, attempts_=50)
    for _ in range(platform.settings.max_crashes):
        await claimed(platform, run.id)

    assert await claims.take(platform, run.id, WorkerId(uuid4())) == DONE
    assert (await runs.get(platform, project.id, run.id)).status is RunStatus.FAILED


async def test_an_attempt_given_back_does_not_count(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    run = await _start(platform, project)

    await claims.give_back(platform, await claimed(platform, run.id))
    claim = await claimed(platform, run.id)

    assert claim.attempt == 1
    await attempts.end(platform, claim, Outcome(result="1"))
    found = await runs.detail(platform, project.workspace_id, run.id)
    assert len(found.attempts) == 1


async def test_different_failures_are_summed_up(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    run = await _start(platform, project, attempts_=2)
    await claimed(platform, run.id)

    await attempts.end(platform, await claimed(platform, run.id), Outcome(failure=_FAILURE))

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
    claim = await claimed(platform, run.id) if is_started else None

    canceled = await runs.cancel(platform, project.id, run.id)

    if claim is None:
        assert canceled.status is RunStatus.CANCELED
        assert await claims.take(platform, run.id, WorkerId(uuid4())) == DONE
    else:
        assert await claims.interrupted(platform, [claim]) == {run.id: False}
        # Its worker dies before it hears of it: whoever looks next cancels.
        assert await claims.take(platform, run.id, WorkerId(uuid4())) == DONE
        assert (await runs.get(platform, project.id, run.id)).status is RunStatus.CANCELED


async def test_a_claim_says_whose_run_it_is_and_what_it_was_accepted_with(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    request = RunRequest(
        api="a", parameters={"x": 1}, proxy="http://u:p@h:1", maximum_attempts=2, sink=_SINK
    )
    run = await runs.start(
        platform,
        project,
        request,
        idempotency_key=None,
        request_text="",
    )
    plain = await claimed(platform, (await _start(platform, project)).id)

    claim = await claimed(platform, run.id)

    assert project.current is not None
    assert (claim.workspace_id, claim.project_id) == (project.workspace_id, project.id)
    assert (claim.deployment_id, claim.kind) == (project.current.id, RunKind.API)
    assert claim.accepted_at == run.created_at
    assert (claim.plan.parameters, claim.plan.proxy) == ({"x": 1}, "http://u:p@h:1")
    assert (claim.has_followers, plain.has_followers) == (True, False)


async def test_a_lost_queue_entry_is_made_again(
    platform: Platform, make_project: MakeProject
) -> None:
    run = await _start(platform, await make_project())
    async with platform.database.acquire() as connection:
        await connection.execute("DELETE FROM pgqueuer")
        await connection.execute("UPDATE runs SET created_at = created_at - interval '1 minute'")

    assert await attempts.requeue_lost(platform, None) == ([run.id], None)
    assert await attempts.requeue_lost(platform, None) == ([], None)


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
