"""JobRuns under concurrent processes that work, die, pause and resume: every item ends once, counts are accurate."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from helpers.held import claimed

from runwright.adapters.queue import consumer
from runwright.control.base.platform import Platform
from runwright.control.jobs import firing, job_runs, jobs
from runwright.control.runs import attempts, claims
from runwright.domain.failures import Failure
from runwright.domain.ids import WorkerId
from runwright.domain.jobs import job_text
from runwright.domain.jobs.jobs import JobRun, JobRunStatus
from runwright.domain.projects import Project
from runwright.domain.retry import AT_ONCE, DONE, FollowUp
from runwright.domain.runs import ExtendedPayload, Outcome
from runwright.errors import Category, FailureCode
from runwright.storage import items as item_rows, job_runs as job_run_rows

MakeProject = Callable[..., Any]
_FAILURE = Failure(
    code=FailureCode.EXECUTION_EXCEPTION, category=Category.EXECUTION, message="no", retryable=False
)


async def _begin(
    platform: Platform, project: Project, count: int, job_id: str = "j", **configuration: Any
) -> str:
    payload = [{"apiName": "a", "parameters": {"n": n}} for n in range(count)]
    plan = job_text.parse({"payload": payload, "configuration": configuration})
    await jobs.create(platform, project, job_id, plan)
    begun = await jobs.trigger(platform, project, job_id, idempotency_key=None, request_text="")
    return begun.job_run.id


async def _found(platform: Platform, project: Project, job_run_id: str) -> JobRun:
    return await job_runs.get(platform, project.id, "j", job_run_id)


async def _rows(connection: Any, job_run_id: str) -> list[tuple[str, bool]]:
    """Return status and whether it was fed, of each item in order."""
    found = await connection.fetch(
        "SELECT status, turn IS NOT NULL AS is_fed FROM runs WHERE job_run_id = $1 ORDER BY position",
        job_run_id,
    )
    return [(row["status"], row["is_fed"]) for row in found]


async def _agree(platform: Platform, project: Project, job_run_id: str) -> JobRun:
    """Return a JobRun whose counts are those of its rows."""
    async with (
        platform.database.acquire() as connection,
        connection.transaction(isolation="repeatable_read"),
    ):
        row = await job_run_rows.get(connection, job_run_id)
        items = await _rows(connection, job_run_id)
    assert row is not None
    found = row.job_run
    assert found.project_id == project.id
    assert found.counts.payloads == len(items)
    assert found.counts.successful == sum(status == "completed" for status, _ in items)
    assert found.counts.failed == sum(
        status in ("failed", "canceled") and is_fed for status, is_fed in items
    )
    return found


class _Hands:
    """Workers without browsers, on the real queue: they end what they are handed, or die with it."""

    def __init__(self, platform: Platform, project: Project, chance: random.Random) -> None:
        self._platform = platform
        self._chance = chance
        self.ended: list[str] = []
        self.extensions = 0
        queue = consumer.Queue(name=f"run:{project.id}", limit=0, handler=self._look)

        async def queues() -> list[consumer.Queue]:
            return [queue]

        self._consumer = consumer.Consumer(
            platform.database, queues=queues, slots=6, heartbeat_timeout=timedelta(seconds=30)
        )

    @asynccontextmanager
    async def working(self) -> AsyncGenerator[None]:
        running = asyncio.create_task(self._consumer.run())
        try:
            yield
        finally:
            self._consumer.stop()
            await running

    async def _look(self, run_id: str) -> FollowUp:
        claim = await claims.take(self._platform, run_id, WorkerId(uuid4()))
        if not isinstance(claim, claims.Claim):
            return claim
        fate = self._chance.random()
        if fate < 0.1:
            # It dies: its entry is handed out again, and whoever takes it finds the open Attempt.
            return AT_ONCE
        await asyncio.sleep(fate / 50)
        outcome = self._outcome(claim, fate)
        await attempts.end(self._platform, claim, outcome)
        self.ended.append(run_id)
        return DONE

    def _outcome(self, claim: claims.Claim, fate: float) -> Outcome:
        if fate < 0.3:
            return Outcome(failure=_FAILURE)
        depth = claim.plan.parameters.get("depth", 0)
        extended = ()
        if fate < 0.5 and depth < 3:
            extended = tuple(
                ExtendedPayload(api="a", parameters={"depth": depth + 1}) for _ in range(2)
            )
            self.extensions += len(extended)
        return Outcome(result="1", extended_payloads=extended)


async def _queued(platform: Platform) -> list[str]:
    rows = await platform.database.fetch(
        "SELECT convert_from(payload, 'UTF8') AS id FROM pgqueuer"
        " WHERE status = 'queued' AND entrypoint LIKE 'run:%' ORDER BY priority DESC, id"
    )
    return [row["id"] for row in rows]


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_happens_every_item_ends_once_and_the_counts_agree(
    platform: Platform, make_project: MakeProject, seed: int
) -> None:
    chance = random.Random(seed)
    platform = dataclasses.replace(
        platform, settings=dataclasses.replace(platform.settings, max_crashes=100)
    )
    project = await make_project()
    job_run_id = await _begin(
        platform, project, 30, maxConcurrentRequests=4, retry={"maximumAttempts": 3}
    )
    hands = _Hands(platform, project, chance)

    async def meddle() -> bool:
        """Pause and resume; return whether the JobRun has ended."""
        await asyncio.sleep(chance.random() * 0.1)
        await jobs.pause(platform, project.id, "j")
        await _agree(platform, project, job_run_id)
        await jobs.resume(platform, project.id, "j")
        under_way = sum(
            is_fed and status in ("pending", "started")
            for status, is_fed in await _rows(platform.database, job_run_id)
        )
        assert under_way <= 4
        return not (await _found(platform, project, job_run_id)).status.is_active

    async with asyncio.timeout(60), hands.working():
        while not await meddle():
            pass
    found = await _agree(platform, project, job_run_id)

    assert found.status is JobRunStatus.COMPLETED
    assert found.counts.payloads == 30 + hands.extensions
    assert found.counts.successful + found.counts.failed == found.counts.payloads
    assert len(hands.ended) == len({*hands.ended})
    assert await _queued(platform) == []


async def test_items_are_fed_in_order_and_no_more_than_allowed(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    job_run_id = await _begin(platform, project, 5, maxConcurrentRequests=2)
    in_order = [
        row["id"] for row in await platform.database.fetch("SELECT id FROM runs ORDER BY position")
    ]

    assert await _queued(platform) == in_order[:2]
    assert [fed for _, fed in await _rows(platform.database, job_run_id)] == [
        True,
        True,
        False,
        False,
        False,
    ]

    claim = await claimed(platform, in_order[1])
    await attempts.end(platform, claim, Outcome(result="1"))

    assert set(await _queued(platform)) == {*in_order[:3]}


async def test_an_old_entry_of_an_item_that_is_held_begins_nothing(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    job_run_id = await _begin(platform, project, 2, maxConcurrentRequests=1)
    fed, held = [
        row["id"] for row in await platform.database.fetch("SELECT id FROM runs ORDER BY position")
    ]

    assert await claims.take(platform, held, WorkerId(uuid4())) == DONE
    assert await claims.take(platform, "none such", WorkerId(uuid4())) == DONE
    claim = await claims.take(platform, fed, WorkerId(uuid4()))

    assert isinstance(claim, claims.Claim)
    assert (claim.job_run_id, claim.job_id, claim.has_followers) == (job_run_id, "j", True)
    assert await _rows(platform.database, job_run_id) == [("started", True), ("pending", False)]


async def test_thousands_of_items_leave_other_runs_of_the_project_near_the_front(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    await _begin(platform, project, 3000)

    fed = await platform.database.fetchval(
        "SELECT count(*) FROM pgqueuer WHERE entrypoint LIKE 'run:%'"
    )
    held = await platform.database.fetchval("SELECT count(*) FROM runs WHERE turn IS NULL")

    assert fed == 250
    assert held == 2750


async def test_terminating_thousands_is_done_in_parts(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    job_run_id = await _begin(platform, project, 700, maxConcurrentRequests=2)

    ended = await job_runs.terminate(platform, project.id, "j", job_run_id)
    at_once = [status for status, _ in await _rows(platform.database, job_run_id)]
    looks = 0
    while await _take_job_run_entry(platform):
        await job_runs.look(platform, job_run_id)
        looks += 1
    found = await _agree(platform, project, job_run_id)

    assert ended.status is JobRunStatus.TERMINATED
    assert at_once.count("canceled") == 202
    assert looks == 3
    assert {status for status, _ in await _rows(platform.database, job_run_id)} == {"canceled"}
    assert (found.counts.payloads, found.counts.failed) == (700, 2)


async def _take_job_run_entry(platform: Platform) -> bool:
    taken = await platform.database.execute("DELETE FROM pgqueuer WHERE entrypoint = 'job-run'")
    return taken != "DELETE 0"


async def test_a_look_that_nobody_asked_for_is_made_up_by_the_sweep(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    job_run_id = await _begin(platform, project, 3, maxConcurrentRequests=1)
    await platform.database.execute("UPDATE runs SET turn = NULL WHERE job_run_id = $1", job_run_id)
    await platform.database.execute("DELETE FROM pgqueuer")
    await platform.database.execute(
        "UPDATE job_runs SET created_at = created_at - interval '1 minute'"
    )

    lost, _ = await job_runs.requeue_lost(platform, None)
    await job_runs.look(platform, job_run_id)

    assert lost == [job_run_id]
    assert len(await _queued(platform)) == 1


async def test_a_firing_happens_once_whoever_looks(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    plan = job_text.parse(
        {
            "payload": [],
            "configuration": {},
            "schedule": {"intervals": [{"every": "1s"}]},
        }
    )
    for number in range(20):
        await jobs.create(platform, project, f"j{number}", plan)
    begin = datetime.now(UTC)

    async def tick(until: datetime) -> None:
        now = begin
        while now < until:
            now += timedelta(milliseconds=250)
            await firing.fire_due(platform, now)
            await asyncio.sleep(0)

    end = begin + timedelta(seconds=8)
    await asyncio.gather(*(tick(end) for _ in range(3)))
    while await firing.fire_due(platform, end):
        pass
    rows = await platform.database.fetch(
        "SELECT job_id, firing, count(*) AS times FROM job_runs GROUP BY job_id, firing"
    )
    by_job: dict[str, list[datetime]] = {}
    for row in rows:
        assert row["times"] == 1
        by_job.setdefault(row["job_id"], []).append(row["firing"])

    assert len(by_job) == 20
    for firings in by_job.values():
        moments = sorted(firings)
        assert len(moments) == 8 or moments[-1] + timedelta(seconds=1) > end
        assert {two - one for one, two in itertools.pairwise(moments)} == {timedelta(seconds=1)}


async def test_a_job_that_cannot_fire_holds_up_no_other(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    body = {"payload": [], "configuration": {}, "schedule": {"intervals": [{"every": "1s"}]}}
    for job_id in ("broken", "well"):
        await jobs.create(platform, project, job_id, job_text.parse(body))
    await platform.database.execute(
        "UPDATE jobs SET sealed_secrets = 'x', fires_at = fires_at - interval '1 second' WHERE id = 'broken'"
    )

    await firing.fire_due(platform, datetime.now(UTC) + timedelta(seconds=2))

    begun = await platform.database.fetch("SELECT job_id FROM job_runs")
    assert [row["job_id"] for row in begun] == ["well"]


async def test_counts_are_kept_when_the_last_item_has_ended(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    job_run_id = await _begin(platform, project, 2)
    for run_id in await _queued(platform):
        claim = await claimed(platform, run_id)
        await attempts.end(platform, claim, Outcome(result="1"))
    found = await _agree(platform, project, job_run_id)
    await platform.database.execute("DELETE FROM runs")

    row = await job_run_rows.get(platform.database, job_run_id)
    assert row is not None
    assert row.job_run.counts == found.counts
    assert await item_rows.fed(platform.database, job_run_id) == []
