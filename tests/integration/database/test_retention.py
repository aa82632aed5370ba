"""Old data is removed in batches; whatever is still needed stays."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from helpers.held import claimed
from hypothesis import given, strategies as st

from runwright.adapters.bundles import bundles
from runwright.control.base.platform import Platform
from runwright.control.projects import deployments
from runwright.control.runs import attempts, claims, runs
from runwright.control.upkeep import disk_quota, retention
from runwright.domain import retention as domain
from runwright.domain.deliveries import sinks
from runwright.domain.projects import Project
from runwright.domain.retention import Kind, Pruning
from runwright.domain.runs import LogLine, Outcome, Run, RunFile, RunRequest
from runwright.errors import Conflict, NotFound
from runwright.storage import retention as rows

MakeProject = Callable[..., Any]
_LONG = timedelta(minutes=1)
_SINK = sinks.parse({"type": "webhook", "url": "https://example.com/"})


async def _start(platform: Platform, project: Project, sink: sinks.Sink | None = None) -> Run:
    request = RunRequest(api="a", parameters={}, sink=sink)
    return await runs.start(platform, project, request, idempotency_key=None, request_text="")


async def _ended(platform: Platform, project: Project, sink: sinks.Sink | None = None) -> Run:
    """Return a Run that has ended, with a log line and a file of 1000 bytes."""
    run = await _start(platform, project, sink)
    claim = await claimed(platform, run.id)
    line = LogLine(id=0, attempt=1, at=datetime.now(UTC), stream="stdout", level="info", text="x")
    await attempts.add_log_lines(platform, claim, [line, line])
    await _add_file(platform, claim)
    await attempts.end(platform, claim, Outcome(result="1"))
    return run


async def _add_file(platform: Platform, claim: claims.Claim) -> str:
    blob = await _put(platform, f"runs/{claim.run_id}/1/{uuid.uuid4().hex}")
    file = RunFile(
        id=0, attempt=1, kind="trace", name="t", size_bytes=1000, blob=blob, created_at=datetime.now(UTC)
    )  # fmt: skip
    await attempts.add_file(platform, claim, file)
    return blob


async def _put(platform: Platform, key: str, *, days_old: int = 0) -> str:
    source = platform.settings.data_dir / uuid.uuid4().hex
    source.write_bytes(b"x" * 1000)
    await platform.blobs.put_file(key, source)
    source.unlink()
    assert platform.blobs.directory is not None
    at = datetime.now(UTC).timestamp() - days_old * 86_400
    os.utime(platform.blobs.directory / key, (at, at))
    return key


async def _age(platform: Platform, days: int) -> None:
    """Let everything that is there have happened so many days ago."""
    for table, columns in {
        "runs": ("created_at", "ended_at"),
        "files": ("created_at",),
        "deliveries": ("created_at", "ended_at"),
        "deployments": ("created_at", "ended_at"),
        "auth_sessions": ("updated_at",),
        "pgqueuer_log": ("created",),
    }.items():
        sets = ", ".join(f"{name} = {name} - interval '{days} days'" for name in columns)
        await platform.database.execute(f"UPDATE {table} SET {sets}")


async def _prune(platform: Platform, *, is_dry: bool = False) -> dict[Kind, int]:
    done = await retention.prune(platform, is_dry=is_dry, patience=_LONG)
    assert done.is_complete
    return {each.kind: each.count for each in done.removed if each.count}


async def _has(platform: Platform, run: Run) -> bool:
    try:
        await runs.get(platform, run.project_id, run.id)
    except NotFound:
        return False
    return True


async def _count(platform: Platform, table: str) -> int:
    return await platform.database.fetchval(f"SELECT count(*) FROM {table}")


async def test_files_go_after_their_retention_and_runs_after_theirs(
    platform: Platform, make_project: MakeProject
) -> None:
    run = await _ended(platform, await make_project())
    (file,) = (await runs.detail(platform, run.workspace_id, run.id)).files

    await _age(platform, 6)
    assert Kind.FILES not in await _prune(platform)
    await _age(platform, 2)
    assert (await _prune(platform))[Kind.FILES] == 1
    assert not await platform.blobs.exists(file.blob)
    assert await _has(platform, run)
    await _age(platform, 23)
    found = await _prune(platform)

    assert (found[Kind.RUNS], found[Kind.LOG_LINES]) == (1, 2)
    assert not await _has(platform, run)
    for table in ("attempts", "log_lines", "files"):
        assert await _count(platform, table) == 0
    assert platform.blobs.directory is not None
    assert list(platform.blobs.directory.iterdir()) == []


async def test_counting_says_what_goes_and_removes_nothing(
    platform: Platform, make_project: MakeProject
) -> None:
    run = await _ended(platform, await make_project())
    await _age(platform, 40)

    counted = await _prune(platform, is_dry=True)
    assert await _has(platform, run)
    removed = await _prune(platform)

    assert counted == removed
    assert {Kind.FILES, Kind.RUNS, Kind.LOG_LINES, Kind.QUEUE_LOG} <= set(removed)


async def test_nothing_that_is_needed_goes(platform: Platform, make_project: MakeProject) -> None:
    project = await make_project()
    waiting = await _start(platform, project)
    running = await _start(platform, project)
    claim = await claimed(platform, running.id)
    blob = await _add_file(platform, claim)
    delivering = await _ended(platform, project, _SINK)
    awaited = await _ended(platform, project)
    await platform.database.execute(
        "UPDATE runs SET waits_for = $1 WHERE id = $2", awaited.id, waiting.id
    )
    await _age(platform, 400)

    await _prune(platform)

    for run in (waiting, running, delivering, awaited):
        assert await _has(platform, run)
    assert await platform.blobs.exists(blob)
    assert (await deployments.list_all(platform, project.id))[0].number == 1
    await platform.database.execute(
        "UPDATE deliveries SET status = 'delivered', ended_at = clock_timestamp()"
    )
    await platform.database.execute("UPDATE runs SET waits_for = NULL")
    await _prune(platform)
    assert [await _has(platform, run) for run in (delivering, awaited)] == [False, False]
    assert await _count(platform, "deliveries") == 0


async def test_a_day_of_an_idempotency_key_is_kept_even_by_a_shorter_retention(
    platform: Platform, make_project: MakeProject
) -> None:
    platform = dataclasses.replace(
        platform,
        settings=dataclasses.replace(platform.settings, run_retention=timedelta(hours=1)),
    )
    project, request = await make_project(), RunRequest(api="a", parameters={})
    run = await runs.start(platform, project, request, idempotency_key="k", request_text="r")
    claim = await claimed(platform, run.id)
    await attempts.end(platform, claim, Outcome(result="1"))
    await platform.database.execute("UPDATE runs SET ended_at = ended_at - interval '2 hours'")

    await _prune(platform)

    again = await runs.start(platform, project, request, idempotency_key="k", request_text="r")
    assert again.id == run.id


async def test_a_job_run_goes_with_its_items_and_not_before_it_has_ended(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    run = await _ended(platform, project)
    await platform.database.execute(
        "INSERT INTO job_runs (id, workspace_id, project_id, job_id, deployment_id, type, status,"
        " configuration, is_session_good) SELECT 'jr', workspace_id, project_id, 'j', deployment_id,"
        " 'MANUAL', 'PENDING', '{}', true FROM runs"
    )
    await platform.database.execute("UPDATE runs SET job_run_id = 'jr', position = 0")
    await platform.database.execute("UPDATE projects SET current_deployment_id = NULL")
    await _age(platform, 400)

    await _prune(platform)
    assert await _has(platform, run)
    await platform.database.execute(
        "UPDATE job_runs SET status = 'SUCCESS', ended_at = now() - interval '31 days', payloads = 1,"
        " successful_runs = 1, failed_runs = 0"
    )
    found = await _prune(platform)

    assert (found[Kind.RUNS], found[Kind.JOB_RUNS], found[Kind.DEPLOYMENTS]) == (1, 1, 1)


async def test_pruning_goes_on_where_its_time_was_up(
    platform: Platform, make_project: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_RUNS", 2)
    monkeypatch.setattr(retention, "_FILES", 2)
    project = await make_project()
    for _ in range(7):
        await _ended(platform, project)
    await _age(platform, 40)

    done: list[Pruning] = []
    while not done or not done[-1].is_complete:
        done.append(await retention.prune(platform, is_dry=False, patience=timedelta(0)))
        assert len(done) < 60

    assert len(done) > 7
    assert await _count(platform, "runs") == 0
    assert await _count(platform, "prunings") == len(done)


async def test_only_one_prunes_at_a_time_and_the_night_is_done_once(
    platform: Platform, make_project: MakeProject
) -> None:
    await _ended(platform, await make_project())
    async with platform.database.acquire() as connection:
        assert await rows.try_lock(connection)
        with pytest.raises(Conflict):
            await _prune(platform)
        assert await retention.prune_if_due(platform, patience=_LONG) is None
        await rows.unlock(connection)

    nights = await asyncio.gather(
        *(retention.prune_if_due(platform, patience=_LONG) for _ in range(4))
    )

    assert len([each for each in nights if each is not None]) == 1
    assert await retention.prune_if_due(platform, patience=_LONG) is None


async def test_a_night_that_another_did_meanwhile_is_not_done_again(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask, has_asked, goes_on = rows.last_complete, asyncio.Event(), asyncio.Event()

    async def answer_late(pool: Any) -> datetime | None:
        found = await ask(pool)
        if not has_asked.is_set():
            has_asked.set()
            await goes_on.wait()
        return found

    monkeypatch.setattr(rows, "last_complete", answer_late)
    late = asyncio.create_task(retention.prune_if_due(platform, patience=_LONG))
    await has_asked.wait()

    first = await retention.prune_if_due(platform, patience=_LONG)
    goes_on.set()

    assert first is not None
    assert await late is None
    assert await _count(platform, "prunings") == 1


async def test_orphans_of_a_day_go_and_younger_ones_stay(
    platform: Platform, make_project: MakeProject
) -> None:
    run = await _ended(platform, await make_project())
    (file,) = (await runs.detail(platform, run.workspace_id, run.id)).files
    assert platform.blobs.directory is not None
    old = datetime.now(UTC).timestamp() - 200_000
    os.utime(platform.blobs.directory / file.blob, (old, old))
    lost = await _put(platform, f"runs/{run.id}/1/lost", days_old=2)
    fresh = await _put(platform, f"runs/{run.id}/1/fresh")
    wanted = await _put(platform, bundles.blob_key("0" * 64), days_old=2)
    unwanted = await _put(platform, bundles.blob_key("1" * 64), days_old=2)
    foreign = await _put(platform, "elsewhere/thing", days_old=2)

    found = await _prune(platform)

    kept = [await platform.blobs.exists(key) for key in (file.blob, fresh, wanted, foreign)]
    gone = [await platform.blobs.exists(key) for key in (lost, unwanted)]
    assert (found[Kind.ORPHANS], kept, gone) == (2, [True] * 4, [False] * 2)


async def test_a_deployment_that_nothing_needs_goes_with_its_bundle(
    platform: Platform, make_project: MakeProject
) -> None:
    unneeded, needed = await make_project("one"), await make_project("two")
    shared = await _put(platform, bundles.blob_key("0" * 64))
    await _start(platform, needed)
    await platform.database.execute("UPDATE projects SET current_deployment_id = NULL")
    await _age(platform, 400)

    await _prune(platform)

    assert await deployments.list_all(platform, unneeded.id) == []
    assert len(await deployments.list_all(platform, needed.id)) == 1
    assert await platform.blobs.exists(shared)
    await platform.database.execute("DELETE FROM runs")
    assert (await _prune(platform))[Kind.BUNDLES] == 1
    assert not await platform.blobs.exists(shared)


async def test_a_bundle_that_is_just_deployed_is_not_removed(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    key = await _put(platform, bundles.blob_key("1" * 64), days_old=2)

    async with platform.database.acquire() as connection, connection.transaction():
        await rows.share_bundle(connection, "1" * 64)
        await _prune(platform)
        assert await platform.blobs.exists(key)

    await _prune(platform)
    assert not await platform.blobs.exists(key)
    # The Bundle of the current Deployment was never stored here.
    assert project.current is not None
    with pytest.raises(Conflict, match="removed to free disk space"):
        await deployments.roll_back(platform, project, project.current.id)


async def test_sessions_that_nobody_makes_any_more_go(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    run = await _ended(platform, project)
    insert = (
        "INSERT INTO auth_sessions (project_id, id, type, status, source, sealed_state, only_for)"
        " VALUES ($1, $2, 'RUNTIME', 'PENDING', $3, $4, $5)"
    )
    await platform.database.execute(insert, project.id, "unmade", "API", None, None)
    await platform.database.execute(insert, project.id, "left", "API", b"1", run.id)
    await platform.database.execute(insert, project.id, "of-code", "CODE", None, None)
    await platform.database.execute(insert, project.id, "made", "API", b"1", None)
    await _age(platform, 2)
    await platform.database.execute(insert, project.id, "young", "API", None, None)

    assert (await _prune(platform))[Kind.AUTH_SESSIONS] == 2

    left = await platform.database.fetch("SELECT id FROM auth_sessions ORDER BY id")
    assert [row["id"] for row in left] == ["made", "of-code", "young"]


async def test_above_the_ceiling_the_oldest_files_go_first_and_no_more_than_is_needed(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    running = await _start(platform, project)
    claim = await claimed(platform, running.id)
    needed = await _add_file(platform, claim)
    ended = [await _ended(platform, project) for _ in range(4)]

    removed = await disk_quota.shed(platform, 1500)

    assert [(each.kind, each.count, each.size_bytes) for each in removed] == [(Kind.FILES, 2, 2000)]
    files = [len((await runs.detail(platform, r.workspace_id, r.id)).files) for r in ended]
    assert files == [0, 0, 1, 1]
    assert await platform.blobs.exists(needed)


async def test_above_the_ceiling_bundles_go_that_nothing_needs(
    platform: Platform, make_project: MakeProject
) -> None:
    first, second = await make_project("one"), await make_project("two")
    for project, digit in ((first, "1"), (second, "2")):
        await _put(platform, bundles.blob_key(digit * 64))
        await platform.database.execute(
            "UPDATE deployments SET bundle_sha256 = $1 WHERE project_id = $2",
            digit * 64,
            project.id,
        )
    await _ended(platform, first)
    await platform.database.execute(
        "UPDATE projects SET current_deployment_id = NULL WHERE id = $1", first.id
    )

    removed = await disk_quota.shed(platform, 10_000_000)

    assert [each.kind for each in removed] == [Kind.FILES, Kind.BUNDLES]
    exists = [await platform.blobs.exists(bundles.blob_key(digit * 64)) for digit in "12"]
    assert exists == [False, True]


@given(
    last=st.none() | st.integers(0, 100),
    hour=st.integers(0, 23),
    now=st.integers(0, 47),
)
def test_a_night_is_due_once_after_its_hour(last: int | None, hour: int, now: int) -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    moment = start + timedelta(hours=now, minutes=30)
    before = None if last is None else moment - timedelta(hours=last)

    is_due = domain.is_due(before, hour=hour, now=moment)

    hours_since = (moment - start - timedelta(hours=hour)) % timedelta(days=1)
    assert is_due == (before is None or moment - before > hours_since)
    assert not domain.is_due(before, hour=None, now=moment)
