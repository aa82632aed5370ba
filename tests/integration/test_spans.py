"""Charts of long windows match the Runs, however many were precounted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, event, given, settings, strategies as st

from runwright.control.base.platform import Platform
from runwright.control.insight import overview, rollups
from runwright.control.insight.overview import Window
from runwright.domain.insight.overview import Bucket
from runwright.domain.projects import Project
from runwright.domain.runs import RunStatus
from runwright.storage import spans as rows

_ENDS = {
    "completed": ("'1'", "NULL", "NULL"),
    "failed": ("NULL", "'{}'", "NULL"),
    "canceled": ("NULL", "NULL", "'{}'"),
}
_LONG = (Window.DAY, Window.WEEK, Window.MONTH)


async def _run(
    platform: Platform, project: Project, *, age: timedelta, took: timedelta, status: str
) -> str:
    """Put in a Run that was accepted so long ago."""
    result, failure, cancellation = _ENDS.get(status, ("NULL", "NULL", "NULL"))
    is_over, is_begun = status in _ENDS, status != "pending"
    run_id = uuid4().hex
    await platform.database.execute(
        f"""INSERT INTO runs (id, workspace_id, project_id, deployment_id, api, parameters, save_trace,
            request_timeout, maximum_attempts, turn, status, result, failure, cancellation,
            created_at, started_at, ended_at)
        SELECT $1, workspace_id, id, current_deployment_id, 'a', '{{}}', false, '60 s', 1, 1, $3,
            {result}, {failure}, {cancellation}, now() - $4::interval,
            CASE WHEN $6 THEN now() - $4::interval END,
            CASE WHEN $7 THEN now() - $4::interval + $5::interval END
        FROM projects WHERE id = $2""",
        run_id,
        project.id,
        status,
        age,
        took,
        is_begun,
        is_over,
    )
    return run_id


async def _end(platform: Platform, run_id: str) -> None:
    await platform.database.execute(
        "UPDATE runs SET status = 'completed', result = '1', ended_at = clock_timestamp() WHERE id = $1",
        run_id,
    )


async def _total(platform: Platform, project: Project, window: Window) -> dict[RunStatus, int]:
    of_workspace = await overview.course(platform, project.workspace_id, window)
    of_project = await overview.course(platform, project.workspace_id, window, project)
    assert of_workspace.buckets == of_project.buckets
    if window is Window.DAY:
        listed = await overview.projects(platform, project.workspace_id)
        assert [each.counts for each in listed if each.project.id == project.id] == [
            of_project.total.counts
        ]
    return of_project.total.counts


async def _counted(platform: Platform) -> int:
    return await platform.database.fetchval("SELECT coalesce(sum(number), 0) FROM run_spans")


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 60 * 24 * 33),
            st.integers(0, 400),
            st.sampled_from([*_ENDS, "pending", "started"]),
        ),
        max_size=12,
    ),
    st.integers(1, 13),
)
async def test_what_was_counted_ahead_changes_no_chart(
    platform: Platform,
    make_project: Callable[..., Any],
    drawn: list[tuple[int, int, str]],
    batch: int,
) -> None:
    project = await make_project(uuid4().hex)
    plain: dict[Window, list[Bucket]] = {}
    for minutes, seconds, status in drawn:
        took = timedelta(seconds=min(seconds, minutes * 60 - 30))
        await _run(platform, project, age=timedelta(minutes=minutes), took=took, status=status)
    async with platform.database.acquire() as connection:
        # One batch, and no more: the others are read where they are.
        await rows.fill(connection, batch)
    counted = {
        window: (await overview.course(platform, project.workspace_id, window, project)).buckets
        for window in _LONG
    }

    was_counted = await _counted(platform)
    await platform.database.execute("TRUNCATE run_spans")
    await platform.database.execute("UPDATE run_spans_filled SET until = 'epoch'")
    for window in _LONG:
        found = await overview.course(platform, project.workspace_id, window, project)
        plain[window] = found.buckets
    await platform.database.execute("TRUNCATE runs CASCADE")

    assert counted == plain
    event(f"counted ahead: {was_counted > 0}")


async def test_a_run_that_ends_long_after_its_span_was_counted_is_counted_once(
    platform: Platform, make_project: Callable[..., Any]
) -> None:
    project = await make_project()
    late = await _run(
        platform, project, age=timedelta(hours=9), took=timedelta(0), status="started"
    )
    await _run(
        platform, project, age=timedelta(hours=9), took=timedelta(seconds=1), status="failed"
    )
    await rollups.fill(platform)
    assert await _total(platform, project, Window.MONTH) == {
        RunStatus.STARTED: 1,
        RunStatus.FAILED: 1,
    }

    await _end(platform, late)

    expected = {RunStatus.COMPLETED: 1, RunStatus.FAILED: 1}
    assert await _total(platform, project, Window.MONTH) == expected
    await platform.database.execute(
        "UPDATE runs SET ended_at = ended_at - interval '30 s' WHERE id = $1", late
    )
    await platform.database.execute("UPDATE run_spans_filled SET until = until - interval '60 s'")
    await rollups.fill(platform)
    await rollups.fill(platform)
    assert await _total(platform, project, Window.MONTH) == expected
    assert await _total(platform, project, Window.DAY) == expected


async def test_an_end_that_is_not_committed_yet_is_waited_for(
    platform: Platform, make_project: Callable[..., Any]
) -> None:
    project = await make_project()
    slow = await _run(
        platform, project, age=timedelta(hours=1), took=timedelta(0), status="started"
    )
    async with platform.database.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(
            "UPDATE runs SET status = 'completed', result = '1', ended_at = clock_timestamp() WHERE id = $1",
            slow,
        )
        await rollups.fill(platform)
        until = await platform.database.fetchval("SELECT until FROM run_spans_filled")
        begun_at = await connection.fetchval("SELECT now()")
        await transaction.commit()

    assert until < begun_at
    assert await _total(platform, project, Window.DAY) == {RunStatus.COMPLETED: 1}


async def test_two_workers_that_count_at_once_count_once(
    platform: Platform, make_project: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollups, "_AT_ONCE", 3)
    project = await make_project()
    for number in range(10):
        age = timedelta(hours=number + 1)
        await _run(platform, project, age=age, took=timedelta(seconds=2), status="completed")

    await asyncio.gather(*(rollups.fill(platform) for _ in range(4)))
    await rollups.fill(platform)

    # In the hours and in the quarters of days, of the workspace and of the project.
    assert await _counted(platform) == 10 * 4
    assert await _total(platform, project, Window.DAY) == {RunStatus.COMPLETED: 10}


async def test_charts_outlive_the_runs_they_were_drawn_from_for_a_month(
    platform: Platform, make_project: Callable[..., Any]
) -> None:
    project = await make_project()
    age = timedelta(days=20)
    await _run(platform, project, age=age, took=timedelta(seconds=1), status="completed")
    await rollups.fill(platform)
    await platform.database.execute("DELETE FROM runs")

    await rollups.forget(platform)
    assert await _total(platform, project, Window.MONTH) == {RunStatus.COMPLETED: 1}

    await platform.database.execute(
        "UPDATE run_spans SET begins_at = begins_at - interval '12 days'"
    )
    await rollups.forget(platform)
    assert await _counted(platform) == 0
