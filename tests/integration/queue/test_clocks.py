"""Clocks that are wrong or jump: the database's is authoritative, and no Worker is lost when it jumps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from helpers.held import claimed

from runwright.control.base.platform import Platform
from runwright.control.deliveries import deliveries
from runwright.control.jobs import jobs
from runwright.control.runs import attempts, claims, questions, queue_limits, runs
from runwright.domain.deliveries import sinks
from runwright.domain.deliveries.deliveries import Try
from runwright.domain.ids import WorkerId
from runwright.domain.jobs import job_text
from runwright.domain.projects import Project
from runwright.domain.retry import LookAgain
from runwright.domain.runs import Outcome, Run, RunRequest, RunStatus
from runwright.execution.flows.schedule_tick import ScheduleTick
from runwright.storage import platform as workers

MakeProject = Callable[..., Any]
_WRONG = pytest.mark.parametrize("wrong_by", [timedelta(hours=1), timedelta(minutes=-10)])


@_WRONG
async def test_a_job_fires_by_the_databases_clock_on_a_machine_whose_clock_is_wrong(
    platform: Platform, make_project: MakeProject, wrong_by: timedelta
) -> None:
    project = await make_project()
    for job_id, every in (("later", "1000 days"), ("due", "1s")):
        body = {"payload": [], "configuration": {}, "schedule": {"intervals": [{"every": every}]}}
        await jobs.create(platform, project, job_id, job_text.parse(body))
    await platform.database.execute(
        "UPDATE jobs SET firing = date_trunc('second', now()) + interval '30 minutes',"
        " fires_at = date_trunc('second', now()) + interval '30 minutes' WHERE id = 'later'"
    )
    await platform.database.execute(
        "UPDATE jobs SET firing = date_trunc('second', now()), fires_at = date_trunc('second', now())"
        " WHERE id = 'due'"
    )

    with time_machine.travel(datetime.now(UTC) + wrong_by):
        again_in = await ScheduleTick(platform)._fire()

    begun = await platform.database.fetch("SELECT DISTINCT job_id FROM job_runs")
    stands = "SELECT fires_at < now() + interval '1 hour' FROM jobs WHERE id = 'later'"
    assert [row["job_id"] for row in begun] == ["due"]
    assert await platform.database.fetchval(stands)
    assert again_in <= 1


@_WRONG
async def test_a_job_made_on_a_machine_whose_clock_is_wrong_fires_when_it_is_to(
    platform: Platform, make_project: MakeProject, wrong_by: timedelta
) -> None:
    project = await make_project()
    body = {"payload": [], "configuration": {}, "schedule": {"intervals": [{"every": "1m"}]}}

    with time_machine.travel(datetime.now(UTC) + wrong_by):
        await jobs.create(platform, project, "job", job_text.parse(body))

    fires_in = "SELECT fires_at - clock_timestamp() FROM jobs WHERE id = 'job'"
    assert timedelta() <= await platform.database.fetchval(fires_in) <= timedelta(minutes=1)


@_WRONG
async def test_a_question_stays_open_as_long_as_it_is_to_on_a_machine_whose_clock_is_wrong(
    platform: Platform, make_project: MakeProject, wrong_by: timedelta
) -> None:
    run = await _start(platform, await make_project())
    claim = await claimed(platform, run.id)
    loop = asyncio.get_running_loop()

    with time_machine.travel(datetime.now(UTC) + wrong_by):
        asked = await questions.ask(
            platform, claim, "Which code?", is_secret=False, within=timedelta(minutes=1)
        )
        assert asked is not None
        waiting = asyncio.create_task(questions.wait(platform, asked, until=loop.time() + 60))
        await questions.answer(platform, run.id, "42", asked.id)
        answer = await waiting
        unanswered = await questions.wait(platform, asked, until=loop.time())

    assert answer == "42"
    assert unanswered is None


async def test_a_delivery_has_its_whole_window_on_a_machine_whose_clock_is_wrong(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    sink = sinks.parse({"type": "webhook", "url": "https://receiver.test/"})
    run = await _start(platform, project, sink)
    claim = await claimed(platform, run.id)
    await attempts.end(platform, claim, Outcome(result="1"))
    row = await platform.database.fetchrow("SELECT id FROM deliveries")

    with time_machine.travel(datetime.now(UTC) + timedelta(hours=2)):
        tried = await deliveries.begin_try(platform, row["id"])
        assert tried is not None
        following = await deliveries.end_try(platform, tried, _refused())

    assert isinstance(following, LookAgain)


@_WRONG
async def test_a_run_waits_its_time_on_a_machine_whose_clock_is_wrong(
    platform: Platform, make_project: MakeProject, wrong_by: timedelta
) -> None:
    project = await make_project()
    waits, expires = [await _start(platform, project) for _ in range(2)]
    set_expiry = "UPDATE runs SET expires_at = now() + $2::text::interval WHERE id = $1"
    await platform.database.execute(set_expiry, waits.id, "5 minutes")
    await platform.database.execute(set_expiry, expires.id, "-1 s")

    with time_machine.travel(datetime.now(UTC) + wrong_by):
        await queue_limits.expire_due(platform)
        claimed = await claims.take(platform, waits.id, WorkerId(uuid4()))

    assert isinstance(claimed, claims.Claim)
    assert (await runs.get(platform, project.id, expires.id)).status is RunStatus.CANCELED


async def test_a_jump_of_the_databases_clock_loses_no_worker(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    silence = timedelta(seconds=5)
    holding, asking = WorkerId(uuid4()), WorkerId(uuid4())
    for each in (holding, asking):
        await workers.beat(platform.database, each, "here", 1, 1, silence=silence)
    run = await _start(platform, project)
    assert isinstance(await claims.take(platform, run.id, holding), claims.Claim)
    # To both it is as if an hour had passed, and a day since they began.
    await platform.database.execute(
        "UPDATE workers SET heartbeat_at = heartbeat_at - interval '61 minutes',"
        " steady_since = steady_since - interval '1 day'"
    )

    await workers.beat(platform.database, asking, "here", 1, 1, silence=silence)
    found = await claims.take(platform, run.id, asking)

    assert isinstance(found, LookAgain)


async def _start(platform: Platform, project: Project, sink: sinks.Sink | None = None) -> Run:
    request = RunRequest(api="a", parameters={}, sink=sink)
    return await runs.start(platform, project, request, idempotency_key=None, request_text="")


def _refused() -> Try:
    return Try(
        number=1,
        at=datetime.now(UTC),
        duration_ms=1,
        status_code=503,
        answer=None,
        error="the receiver answered 503",
    )
