"""Counters equal the rows, whoever wrote them and however often connections change."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, strategies as st

from runwright.control.base.platform import Platform
from runwright.control.insight import metrics
from runwright.control.insight.metrics import SCHEDULE_LATENESS, Standings
from runwright.control.runs import attempts, claims, runs
from runwright.domain.failures import Failure
from runwright.domain.ids import WorkerId
from runwright.domain.insight import metrics as domain
from runwright.domain.projects import Project
from runwright.domain.retry import DONE
from runwright.domain.runs import Outcome, RunRequest
from runwright.errors import Category, FailureCode
from runwright.storage import metrics as rows

MakeProject = Callable[..., Any]
_FAILURE = Failure(
    code=FailureCode.TIMEOUT, category=Category.EXECUTION, message="\0 \ud800", retryable=True
)


async def _carry_out(platform: Platform, project: Project, outcome: Outcome) -> None:
    request = RunRequest(api="a", parameters={}, maximum_attempts=2)
    run = await runs.start(platform, project, request, idempotency_key=None, request_text="")
    worker_id = WorkerId(uuid.uuid4())
    claim = await claims.take(platform, run.id, worker_id)
    while isinstance(claim, claims.Claim):
        following = await attempts.end(platform, claim, outcome)
        claim = None if following == DONE else await claims.take(platform, run.id, worker_id)


async def _rows(platform: Platform) -> Counter[str]:
    found = await platform.database.fetch(
        "SELECT 'attempts ' || status AS what FROM attempts WHERE ended_at IS NOT NULL"
        " UNION ALL SELECT 'runs ' || status FROM runs WHERE ended_at IS NOT NULL"
        " UNION ALL SELECT 'accepted' FROM runs"
    )
    return Counter(row["what"] for row in found)


async def _counted(platform: Platform) -> Counter[str]:
    found: Counter[str] = Counter()
    for (name, label), value in (await rows.counters(platform.database)).items():
        if name == "attempts":
            found[f"attempts {label.split(':')[0]}"] += int(value)
        elif name == "runs":
            found[f"runs {label.split(':')[1]}"] += int(value)
        elif name == "runs_accepted":
            found["accepted"] += int(value)
    return found


async def test_counters_are_equal_to_rows_also_after_lost_workers_cancels_and_folding(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    request = RunRequest(api="a", parameters={})
    begun = datetime.now(UTC)
    outcomes = (Outcome(result="1", author_started_at=begun), Outcome(failure=_FAILURE))
    await asyncio.gather(*(_carry_out(platform, project, outcomes[n % 2]) for n in range(20)))
    lost = await runs.start(platform, project, request, idempotency_key=None, request_text="")
    for _ in range(2):
        await claims.take(platform, lost.id, WorkerId(uuid.uuid4()))
    waiting = await runs.start(platform, project, request, idempotency_key=None, request_text="")
    await runs.cancel(platform, project.id, waiting.id)

    assert await _counted(platform) == await _rows(platform)
    await platform.database.expire_connections()
    for _ in range(3):
        await _carry_out(platform, project, outcomes[0])
    await rows.fold(platform.database)
    assert await _counted(platform) == await _rows(platform)
    standing = await Standings(platform).now()
    assert standing is not None
    assert (standing.queue.count, standing.started) == (0, 0)
    assert domain.histogram(standing.counters, "dispatch_seconds").buckets[-1] == ("+Inf", 13)


async def test_a_standing_says_what_waits(platform: Platform, make_project: MakeProject) -> None:
    project, request = await make_project(), RunRequest(api="a", parameters={})
    for _ in range(2):
        await runs.start(platform, project, request, idempotency_key=None, request_text="")
    await platform.database.execute("UPDATE runs SET created_at = created_at - interval '1 hour'")

    standing = await Standings(platform).now()

    assert standing is not None
    assert (standing.queue.count, standing.entries) == (2, {"queued": 2})
    assert 3600 <= standing.queue.oldest_seconds < 3700


@given(seconds=st.floats(0, 4000))
def test_an_observed_duration_falls_into_the_bucket_that_holds_it(seconds: float) -> None:
    bound = next((each for each in domain.BUCKETS if seconds <= each), None)
    label = "+Inf" if bound is None else f"{bound:g}"

    found = domain.histogram({("x", label): 1, ("x", "sum"): seconds}, "x")

    assert [count for _, count in found.buckets] == [
        1 if seconds <= each else 0 for each in domain.BUCKETS
    ] + [1]
    assert found.sum_seconds == seconds


async def test_the_database_puts_durations_into_the_same_buckets(platform: Platform) -> None:
    for bound in domain.BUCKETS:
        for seconds in (bound * 0.99, bound, bound * 1.01):
            late = timedelta(seconds=seconds)
            await metrics.observe(platform.database, SCHEDULE_LATENESS, [late])

    found = domain.histogram(await rows.counters(platform.database), SCHEDULE_LATENESS)

    assert [count for _, count in found.buckets] == [
        *(3 * n + 2 for n in range(len(domain.BUCKETS))),
        3 * len(domain.BUCKETS),
    ]
