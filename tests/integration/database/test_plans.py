"""Background statements read little, however much data there is: by plan, on a month of a busy installation.

Nothing here depends on the machine's speed: what counts is tables scanned in full, rows and blocks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from large_database import many_rows, plans, statements
from large_database.statements import Case
from pgqueuer.adapters.persistence.qb import QueryQueueBuilder

from runwright.adapters.queue import consumer, engine, picks
from runwright.storage import database

_SQL = Path(database.__file__).parent / "sql"
_NAMES = {
    f"{file.stem}.{name}" for file in _SQL.glob("*.sql") for name in database.queries(file.stem)
}
_HALF_MINUTE = timedelta(seconds=30)


@pytest.fixture(scope="module")
def filled(postgresql: str) -> Iterator[str]:
    """Return the address of a database with a month's rows, there for this module."""
    asyncio.run(_execute(postgresql, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()"))
    asyncio.run(_execute(postgresql, "CREATE DATABASE month TEMPLATE template_of_tests"))
    url = postgresql.replace("/postgres?", "/month?")
    asyncio.run(many_rows.fill(url))
    yield url
    asyncio.run(_execute(postgresql, "DROP DATABASE month"))
    asyncio.run(_execute(postgresql, "ALTER SYSTEM RESET fsync", "SELECT pg_reload_conf()"))


@pytest.fixture
async def connection(filled: str) -> AsyncGenerator[Any]:
    """Return a connection with the settings of ours."""
    opened: Any = await asyncpg.connect(filled, server_settings=database.SESSION)
    yield opened
    await opened.close()


def test_every_statement_is_explained_or_known_to_run_on_request_alone() -> None:
    explained = set(statements.EXPLAINED)

    assert explained | statements.ON_REQUEST == _NAMES
    assert not explained & statements.ON_REQUEST


@pytest.mark.parametrize("name", statements.EXPLAINED)
async def test_a_statement_that_runs_by_itself_reads_no_more_than_it_needs(
    connection: Any, name: str
) -> None:
    case = statements.EXPLAINED[name]

    for call in case.calls:
        found = await plans.read(connection, _statement(name), call)
        assert [_problems(reading, case) for reading in found] == [[], []], call


_QUEUES = [f"run:{many_rows.uid('p', n)}" for n in range(1, many_rows.PROJECTS + 1)]
_QUERIES = QueryQueueBuilder()
_DEQUEUE = _QUERIES.build_dequeue_query(
    batch_size=1,
    entrypoints=[*_QUEUES, "deploy", "job-run"],  # type: ignore[list-item]
    concurrency_limits=[n % 3 for n in range(len(_QUEUES))] + [0, 0],
    queue_manager_id=uuid4(),  # type: ignore[arg-type]
    global_concurrency_limit=28,
    heartbeat_timeout=_HALF_MINUTE,
)
_OF_QUEUE = {
    "dequeue": (_DEQUEUE.sql, _DEQUEUE.args, 500),
    "enqueue": (
        _QUERIES.build_enqueue_query("skip"),
        ([0], _QUEUES[:1], [b"new"], [timedelta(0)], ["new"], [None]),
        200,
    ),
    "heartbeat": (picks.BEAT, ([1, 2, 3], uuid4()), 200),
    "done": (picks.END, ([1], ["successful"], [None], uuid4()), 200),
    "retry": (picks.PUT_BACK, (1, _HALF_MINUTE, None, uuid4()), 200),
    "aggregate": (
        _QUERIES.build_aggregate_log_data_to_statistics_query(advisory_lock=True),
        (),
        10_000,
    ),
    "next entry": (consumer.NEXT_ENTRY, (_QUEUES,), 200),
    "without entry": (engine.WITHOUT_ENTRY, ([f"{n}" for n in range(10_000)],), 50_000),
    "remove": (engine.REMOVE, ([f"{n}" for n in range(100)],), 1_000),
    "forget log": (engine.FORGET_LOG, (timedelta(days=1), 5_000), 30_000),
    "forget nothing of the log": (engine.FORGET_LOG, (timedelta(days=9), 5_000), 200),
}


@pytest.mark.parametrize("name", _OF_QUEUE)
async def test_a_statement_of_the_queue_reads_no_more_than_it_needs(
    connection: Any, name: str
) -> None:
    sql, arguments, blocks = _OF_QUEUE[name]
    case = Case(calls=(), rows=50_000, blocks=blocks, may_scan=frozenset())
    call = ", ".join(_literal(each) for each in arguments)

    found = await plans.read(connection, sql, call)

    assert [_problems(reading, case) for reading in found] == [[], []]


async def test_no_more_entries_than_that_are_counted(connection: Any) -> None:
    (found, _) = await plans.read(connection, engine.ENTRIES, "1000")

    assert found.rows <= 1000
    assert found.blocks <= 100


@pytest.mark.parametrize(
    ("index", "name"),
    [
        ("runs_queued", "overview.queue"),
        ("runs_unfinished", "runs.unfinished"),
        ("runs_ended", "retention.due_runs"),
        ("runs_active", "overview.active"),
        ("files_created", "retention.forget_due_files"),
        ("job_runs_ended", "retention.forget_job_runs"),
        ("deliveries_pending", "deliveries.unfinished"),
    ],
)
async def test_a_statement_without_its_index_is_found_out(
    connection: Any, index: str, name: str
) -> None:
    case = statements.EXPLAINED[name]
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(f"DROP INDEX {index}")

    found = [
        problem
        for call in case.calls
        for reading in await plans.read(connection, _statement(name), call)
        for problem in _problems(reading, case)
    ]
    await transaction.rollback()

    assert found


async def test_what_goes_along_with_a_deleted_row_is_found_by_an_index(connection: Any) -> None:
    missing = await connection.fetch(
        "SELECT conrelid::regclass::text AS name, attname FROM pg_constraint"
        " JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]"
        " WHERE contype = 'f' AND confrelid::regclass::text = ANY ($1) AND NOT EXISTS ("
        "     SELECT FROM pg_index WHERE indrelid = conrelid AND indkey[0] = conkey[1]"
        "         AND coalesce(pg_get_expr(indpred, indrelid), '') IN ('', format('(%I IS NOT NULL)', attname))"
        " )",
        ["runs", "job_runs", "deployments", "deliveries"],
    )

    assert {row["name"] for row in missing} <= statements.SMALL


def _statement(name: str) -> str:
    file, statement = name.split(".")
    return database.queries(file)[statement]


def _problems(reading: plans.Reading, case: Case) -> list[str]:
    allowed = statements.SMALL | case.may_scan
    found = [
        f"reads all of {table}"
        for table in sorted(reading.scanned - allowed)
        if not table.startswith("pg_")
    ]
    if reading.rows > case.rows:
        found.append(f"a node reads {reading.rows} rows, more than {case.rows}")
    if reading.blocks > case.blocks:
        found.append(f"reads {reading.blocks} blocks, more than {case.blocks}")
    return found


def _literal(value: Any) -> str:
    if isinstance(value, list):
        elements: list[Any] = value
        return f"'{{{', '.join('NULL' if each is None else _text(each) for each in elements)}}}'"
    return "NULL" if value is None else f"'{_text(value)}'"


def _text(value: Any) -> str:
    if isinstance(value, timedelta):
        return f"{value.total_seconds()} seconds"
    return f"\\\\x{value.hex()}" if isinstance(value, bytes) else str(value)


async def _execute(url: str, *commands: str) -> None:
    opened: Any = await asyncpg.connect(url)
    for each in commands:
        await opened.execute(each)
    await opened.close()
