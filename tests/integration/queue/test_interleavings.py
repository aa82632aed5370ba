"""Rare interleavings, each forced to happen: a transaction is held open, a connection goes silent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from chaos import links
from helpers.held import blocked, claimed, held
from helpers.server import eventually_async

from runwright.adapters import signals
from runwright.adapters.queue import engine
from runwright.control.base import queues
from runwright.control.base.platform import Platform
from runwright.control.deliveries import deliveries
from runwright.control.jobs import job_runs, job_starts, jobs
from runwright.control.jobs.job_starts import Trigger
from runwright.control.runs import attempts, runs
from runwright.db_retry import patiently
from runwright.domain.auth_sessions import SessionPlan, SessionStatus, SessionType
from runwright.domain.deliveries import sinks
from runwright.domain.ids import RunId
from runwright.domain.jobs import job_text
from runwright.domain.jobs.jobs import JobRunStatus
from runwright.domain.projects import Project
from runwright.domain.runs import Outcome, Run, RunRequest, RunStatus
from runwright.storage import (
    auth_sessions as session_rows,
    database,
    job_runs as job_run_rows,
    jobs as job_rows,
    runs as run_rows,
)
from runwright.storage.auth_sessions import NewSession

MakeProject = Callable[..., Any]


async def _start(platform: Platform, project: Project) -> Run:
    request = RunRequest(api="a", parameters={}, maximum_attempts=3)
    return await runs.start(platform, project, request, idempotency_key=None, request_text="")


@pytest.mark.parametrize("stop", ["pg_cancel_backend", "pg_terminate_backend"])
async def test_an_end_that_the_database_breaks_off_is_written_all_the_same(
    platform: Platform, make_project: MakeProject, stop: str
) -> None:
    project = await make_project()
    run = await _start(platform, project)
    claim = await claimed(platform, run.id)

    async with held(platform) as connection:
        await run_rows.lock(connection, run.id)
        ending = asyncio.create_task(
            patiently(lambda: attempts.end(platform, claim, Outcome(result="1")))
        )
        await connection.execute(f"SELECT {stop}($1)", await blocked(platform))
        await blocked(platform)
    await ending

    found = await runs.detail(platform, project.workspace_id, run.id)
    assert (found.run.status, len(found.attempts)) == (RunStatus.COMPLETED, 1)


async def test_a_run_with_a_session_of_its_own_ends_while_it_is_canceled(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    run = await _start(platform, project)
    new = NewSession(
        project_id=project.id,
        id=run.id,
        type=SessionType.RUNTIME,
        status=SessionStatus.READY,
        sealed_state=b"state",
        only_for=run.id,
    )
    await session_rows.insert(platform.database, new)
    claim = await claimed(platform, run.id)
    claim = replace(claim, plan=replace(claim.plan, session=SessionPlan(id=run.id)))

    async with held(platform) as connection:
        # As a cancel does: first the session, then the Run.
        await session_rows.lock(connection, project.id, run.id)
        ending = asyncio.create_task(attempts.end(platform, claim, Outcome(result="1")))
        await blocked(platform)
        await run_rows.lock(connection, run.id)
    await ending

    assert (await runs.get(platform, project.id, run.id)).status is RunStatus.COMPLETED


async def test_a_run_is_taken_over_while_it_is_canceled_with_its_session(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    run = await _start(platform, project)
    await claimed(platform, run.id)
    new = NewSession(
        project_id=project.id,
        id="s",
        type=SessionType.CREDENTIALS,
        status=SessionStatus.READY,
        sealed_state=b"state",
    )
    await session_rows.insert(platform.database, new)
    await platform.database.execute("UPDATE runs SET auth_session_id = 's'")

    async with held(platform) as connection:
        await session_rows.lock(connection, project.id, "s")
        taking = asyncio.create_task(claimed(platform, run.id))
        await blocked(platform)
        # It would wait for us, and we for it, had it locked the Run first.
        await connection.execute("SELECT FROM runs FOR UPDATE NOWAIT")

    assert (await taking).attempt == 2


async def test_who_is_stopped_in_a_transaction_holds_its_locks_no_longer_than_allowed(
    database_url: str,
    platform: Platform,
    make_project: MakeProject,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = await _start(platform, await make_project())
    short = {**database.SESSION, "idle_in_transaction_session_timeout": "200ms"}
    monkeypatch.setattr(database, "SESSION", short)
    async with database.connect(database_url, min_size=1, max_size=1) as other:
        async with other.acquire() as connection:
            stopped = connection.transaction()
            await stopped.start()
            await run_rows.lock(connection, run.id)

            await claimed(platform, run.id)

            with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
                await stopped.commit()
        assert await other.fetchval("SELECT 1") == 1


async def test_a_lock_that_is_never_given_back_holds_nobody_for_ever(
    database_url: str,
    platform: Platform,
    make_project: MakeProject,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = await _start(platform, await make_project())
    monkeypatch.setattr(database, "SESSION", {**database.SESSION, "lock_timeout": "200ms"})

    async with held(platform) as connection:
        await run_rows.lock(connection, run.id)
        async with database.connect(database_url, min_size=1, max_size=1) as other:
            with pytest.raises(asyncpg.LockNotAvailableError):
                await run_rows.lock(other, run.id)


async def test_a_migration_takes_as_long_as_it_takes_and_others_wait_for_it(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_STATEMENT_SECONDS", 0.3)
    monkeypatch.setattr(database, "SESSION", {**database.SESSION, "lock_timeout": "300ms"})
    async with database.connect(database_url, min_size=2, max_size=2) as pool:
        await pool.execute("DELETE FROM schema_migrations")
        (tmp_path / "0001_pre_slow.sql").write_text("SELECT pg_sleep(1);")

        done = await asyncio.gather(*(database.migrate(pool, tmp_path) for _ in range(2)))

        assert sorted(done) == [[], [1]]
        assert await pool.fetchval("SHOW lock_timeout") == "300ms"


async def test_a_lost_entry_is_found_behind_however_many_others(
    platform: Platform, make_project: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "_SWEEP_LIMIT", 2)
    project = await make_project()
    found = sorted([(await _start(platform, project)).id for _ in range(5)])
    await platform.database.execute("UPDATE runs SET created_at = created_at - interval '1 minute'")
    await platform.database.execute(
        "DELETE FROM pgqueuer WHERE payload = convert_to($1, 'UTF8')", found[-1]
    )

    lost: list[RunId] = []
    after: RunId | None = None
    for _ in range(3):
        more, after = await attempts.requeue_lost(platform, after)
        lost += more

    assert lost == [found[-1]]
    assert after is None


async def _deliveries(platform: Platform, project: Project) -> None:
    sink = sinks.parse({"type": "webhook", "url": "https://a.test/"})
    async with platform.database.acquire() as connection:
        for _ in range(5):
            await deliveries.accept_notification(platform, connection, project.id, None, sink, "{}")


async def _job_runs(platform: Platform, project: Project) -> None:
    plan = job_text.parse({"payload": [{"apiName": "a", "parameters": {}}], "configuration": {}})
    for n in range(5):
        await jobs.create(platform, project, f"j{n}", plan)
        begun = await jobs.trigger(
            platform, project, f"j{n}", idempotency_key=None, request_text=""
        )
        async with platform.database.acquire() as connection:
            await engine.enqueue(connection, queues.job_run_entry(begun.job_run.id))
    # In each of them something is to be done.
    await platform.database.execute("UPDATE runs SET turn = NULL")


@pytest.mark.parametrize(
    ("table", "sweep", "fill"),
    [("deliveries", deliveries, _deliveries), ("job_runs", job_runs, _job_runs)],
    ids=["deliveries", "job runs"],
)
async def test_a_lost_entry_of_another_kind_is_found_behind_however_many_others(
    platform: Platform,
    make_project: MakeProject,
    monkeypatch: pytest.MonkeyPatch,
    table: str,
    sweep: Any,
    fill: Callable[[Platform, Project], Any],
) -> None:
    monkeypatch.setattr(sweep, "_SWEEP_LIMIT", 2)
    await fill(platform, await make_project())
    # All at the same moment, so that the time alone does not say where to go on.
    await platform.database.execute(f"UPDATE {table} SET created_at = now() - interval '1 minute'")
    last = await platform.database.fetchval(f"SELECT max(id) FROM {table}")
    await platform.database.execute(
        "DELETE FROM pgqueuer WHERE payload = convert_to($1, 'UTF8')", last
    )

    lost: list[str] = []
    after: Any = None
    for _ in range(3):
        more, after = await sweep.requeue_lost(platform, after)
        lost += more

    assert lost == [last]
    assert after is None


async def test_a_job_that_is_deleted_while_it_fires_leaves_no_job_run_behind(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    plan = job_text.parse({"payload": [{"apiName": "a", "parameters": {}}], "configuration": {}})
    await jobs.create(platform, project, "j", plan)

    async with held(platform) as connection:
        row = await job_rows.lock(connection, project.id, "j")
        assert row is not None
        deleting = asyncio.create_task(jobs.delete(platform, project.id, "j"))
        await blocked(platform)
        begun, _ = await job_starts.begin(
            platform, connection, project, jobs.opened(platform, row), Trigger()
        )
    await deleting

    found = await job_run_rows.get(platform.database, begun.job_run.id)
    assert found is not None
    assert found.job_run.status is JobRunStatus.TERMINATED
    assert await job_rows.get(platform.database, project.id, "j") is None


async def test_a_transaction_counts_its_runs_once_for_a_statement(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    payload = [{"apiName": "a", "parameters": {"n": n}} for n in range(300)]
    changed = (
        "SELECT n_tup_upd + n_tup_ins FROM pg_stat_xact_user_tables WHERE relname = 'counters'"
    )
    await jobs.create(
        platform, project, "j", job_text.parse({"payload": payload, "configuration": {}})
    )

    async with held(platform) as connection:
        row = await job_rows.lock(connection, project.id, "j")
        assert row is not None
        await job_starts.begin(platform, connection, project, jobs.opened(platform, row), Trigger())
        accepting = await connection.fetchval(changed)
        await connection.execute(
            "UPDATE runs SET status = 'canceled', cancellation = '{}', turn = 0, ended_at = now() WHERE project_id = $1",
            project.id,
        )
        ending = await connection.fetchval(changed) - accepting

    assert accepting < 10
    assert ending < 10
    counted = "SELECT sum(value) FROM counters WHERE name = $1"
    assert await platform.database.fetchval(counted, "runs_accepted") == 300
    assert await platform.database.fetchval(counted, "runs") == 300


class _Relay:
    """A connection's way through somebody who may forget it in silence, as a NAT does."""

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self._pumps: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self._is_silent = asyncio.Event()

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[int]:
        """Yield the port."""
        server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for pump in self._pumps:
                pump.cancel()
            await asyncio.gather(*self._pumps, return_exceptions=True)
            for writer in self._writers:
                writer.transport.abort()
            await asyncio.gather(
                *(writer.wait_closed() for writer in self._writers), return_exceptions=True
            )

    def forget(self) -> None:
        """Pass nothing on any more of what is open; what comes anew is."""
        self._is_silent.set()
        self._is_silent = asyncio.Event()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(self._socket)
        self._writers += [back, writer]
        for source, target in ((reader, back), (there, writer)):
            pump = asyncio.create_task(_pump(source, target, self._is_silent))
            self._pumps.add(pump)


async def _pump(
    source: asyncio.StreamReader, target: asyncio.StreamWriter, is_silent: asyncio.Event
) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            if not is_silent.is_set():
                target.write(data)
                await target.drain()
        target.close()


async def test_signals_hear_again_after_their_connection_was_forgotten_in_silence(
    database_url: str, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "_PROBE_SECONDS", 0.1)
    monkeypatch.setattr(signals, "_PROBE_PATIENCE", 0.3)
    directory = await platform.database.fetchval("SHOW unix_socket_directories")
    port = await platform.database.fetchval("SHOW port")
    relay = _Relay(f"{directory}/.s.PGSQL.{port}")
    name = await platform.database.fetchval("SELECT current_database()")
    user = await platform.database.fetchval("SELECT current_user")
    async with (
        relay.opened() as through,
        signals.listen(f"postgresql://{user}@127.0.0.1:{through}/{name}") as heard,
    ):
        with heard.subscribe("x") as event:

            async def is_heard() -> bool:
                event.clear()
                async with platform.database.acquire() as connection:
                    await signals.send(connection, "x")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.3):
                        return await event.wait()
                return False

            await eventually_async(is_heard)
            relay.forget()
            assert not await is_heard()
            await eventually_async(is_heard)
            # The first may have been the looking round after a new connection.
            await eventually_async(is_heard)


async def test_a_connection_that_went_silent_is_given_up_and_the_next_is_another(
    database_url: str, tmp_path: Path
) -> None:
    own, _, sockets = database_url.rpartition("?host=")
    async with (
        links.link(Path(sockets)) as link,
        database.connect(
            link.url.replace("/postgres", f"/{own.rpartition('/')[2]}"),
            min_size=1,
            max_size=1,
            statement_seconds=3600,
        ) as pool,
    ):
        before = await pool.fetchval("SELECT pg_backend_pid()")
        link.lose()

        async with asyncio.timeout(60):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await pool.fetchval("SELECT 1")
            assert await pool.fetchval("SELECT pg_backend_pid()") != before
