"""The connection to PostgreSQL: the pool, transactions, migrations, and the named queries."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import asyncpg

from runwright import db_errors, telemetry
from runwright.errors import ConfigError

log = telemetry.logger(__name__)

OLDEST_MAJOR = 14
_CONNECT_SECONDS = 30
_STATEMENT_SECONDS = 60
_RELEASE_SECONDS = 1.0
"""What a connection gets to answer a cancel before it is given up."""
UNBOUNDED = 1e8
"""Seconds: no limit. None is the pool's."""
_QUERIES = 50_000
"""After so many a connection is replaced: as asyncpg has it."""
_IDLE_SECONDS = 60
"""A connection that is not needed holds up to 10 MiB of the database's memory."""
SESSION = {
    "application_name": "runwright",
    # Compiling the queue's short statements costs more than it saves.
    "jit": "off",
    # A process that is stopped or cut off in the middle of a transaction holds its locks no longer than this.
    "idle_in_transaction_session_timeout": "20s",
    "lock_timeout": "20s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "25s",
}
_MIGRATION_LOCK = 7_240_116
_MIGRATION_NAME = re.compile(r"(\d{4})_(?:pre|post)_([a-z0-9_]+)\.sql")
"""`pre` runs before the new code starts, `post` after the old code is gone."""
_QUERY_HEAD = re.compile(r"^-- ([a-z_]+) --$", re.MULTILINE)
_MIGRATIONS = Path(str(resources.files("runwright.storage") / "migrations"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Migration:
    """One numbered step of the schema."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """Return what shows that an applied step was changed afterwards."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


class _Pool(asyncpg.Pool):
    """A pool that gives up connections that went silent.

    Where a statement is canceled, as by a time-out, asyncpg lets nobody go on before the server has answered that.
    """

    async def release(self, connection: Any, *, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Take a connection back, or end it where it does not answer in time."""
        try:
            await super().release(connection, timeout=timeout or _RELEASE_SECONDS)  # pyright: ignore[reportUnknownMemberType]
        except TimeoutError:
            # It is terminated. What happened before, a cancellation perhaps, is what counts.
            log.warning("connection given up", event_name="connection_given_up")


@asynccontextmanager
async def connect(
    url: str, *, min_size: int, max_size: int, statement_seconds: float = _STATEMENT_SECONDS
) -> AsyncGenerator[Any]:
    """Open a pool, waiting up to 30 s for the database to answer; each statement may take so long.

    Raises:
        ConfigError: it cannot be reached, refuses us, or is older than PostgreSQL 14.
    """
    pool = await _patient_pool(url, min_size, max_size, statement_seconds)
    try:
        yield pool
    finally:
        try:
            async with asyncio.timeout(5):
                await pool.close()
        except TimeoutError:
            pool.terminate()


@asynccontextmanager
async def transaction(connection: Any) -> AsyncGenerator[None]:
    """Commit what the block does, or nothing of it."""
    async with connection.transaction():
        yield


async def now(connection: Any) -> datetime:
    """Return the time by the database's clock, which is the whole installation's."""
    return await connection.fetchval("SELECT clock_timestamp()")


def migrations(directory: Path = _MIGRATIONS) -> list[Migration]:
    """Return the steps in order; numbers may be left out.

    Raises:
        ConfigError: a file's name is none, or a number is taken twice.
    """
    found: list[Migration] = []
    for file in sorted(directory.glob("*.sql")):
        parts = _MIGRATION_NAME.fullmatch(file.name)
        if parts is None or (found and int(parts[1]) == found[-1].number):
            raise ConfigError(f"Not the next migration: {file.name}")
        found.append(
            Migration(
                number=int(parts[1]),
                name=parts[2],
                sql=file.read_text(encoding="utf-8"),
            )
        )
    return found


async def migrate(pool: Any, directory: Path = _MIGRATIONS) -> list[int]:
    """Apply the steps that are missing, one process at a time; return their numbers.

    Raises:
        ConfigError: an applied step was changed since, or the database is newer than this code.
    """
    steps = await asyncio.to_thread(migrations, directory)
    async with alone(pool, _MIGRATION_LOCK) as connection:
        return await _apply(connection, steps)


@asynccontextmanager
async def alone(pool: Any, lock: int) -> AsyncGenerator[Any]:
    """Yield a connection that has an advisory lock of the installation's, however long others take."""
    async with pool.acquire() as connection:
        await connection.execute("SET lock_timeout = 0")
        try:
            await connection.execute("SELECT pg_advisory_lock($1)", lock, timeout=UNBOUNDED)
            try:
                yield connection
            finally:
                await connection.execute("SELECT pg_advisory_unlock($1)", lock)
        finally:
            # Back to what the connection was opened with.
            await connection.execute("RESET lock_timeout")


@cache
def queries(name: str) -> Mapping[str, str]:
    """Return the named statements of `sql/<name>.sql`.

    A statement begins with a line `-- its_name --`; comments go along to the server, where they
    help whoever reads its log.
    """
    text = (resources.files("runwright.storage") / "sql" / f"{name}.sql").read_text(
        encoding="utf-8"
    )
    parts = _QUERY_HEAD.split(text)
    found = dict(zip(parts[1::2], (part.strip().rstrip(";") for part in parts[2::2]), strict=True))
    if len(found) != len(parts) // 2:
        raise ConfigError(f"sql/{name}.sql names a statement twice")
    return found


async def _apply(connection: Any, steps: list[Migration]) -> list[int]:
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations (number integer PRIMARY KEY, name text NOT NULL,"
        " checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
    )
    rows = await connection.fetch(
        "SELECT number, name, checksum FROM schema_migrations ORDER BY number"
    )
    applied = {row["number"]: row for row in rows}
    if unknown := set(applied) - {step.number for step in steps}:
        raise ConfigError(
            f"The database has migration {max(unknown)}, which this version of Runwright does not know: "
            "start a version at least as new as the one that ran last."
        )
    done: list[int] = []
    for step in steps:
        known = applied.get(step.number)
        if known is not None:
            if known["checksum"] != step.checksum:
                raise ConfigError(
                    f"Migration {step.number} ({step.name}) was changed after it was applied."
                )
            continue
        async with connection.transaction():
            # On a large table a step may take hours.
            await connection.execute(step.sql, timeout=UNBOUNDED)
            await connection.execute(
                "INSERT INTO schema_migrations (number, name, checksum) VALUES ($1, $2, $3)",
                step.number,
                step.name,
                step.checksum,
            )
        done.append(step.number)
    return done


async def _reset(connection: Any) -> None:
    """Make a connection fit for the next: nothing here leaves a session changed.

    asyncpg's own reset costs a round trip at every release, 17 for one Run. A connection to a server that has
    become a standby is of no use any more: the next one may lead to the new primary.
    """
    if _is_standby(connection):
        connection.terminate()
    elif connection.is_in_transaction():
        await connection.reset()


def _is_standby(connection: Any) -> bool:
    """Return whether the server says that it takes no writes; it tells by itself when that changes."""
    return getattr(connection.get_settings(), "in_hot_standby", "off") == "on"


async def _check_server(connection: Any) -> None:
    """Refuse a standby, and a PostgreSQL that is too old: both say so as they are connected to."""
    if _is_standby(connection):
        raise asyncpg.ReadOnlySQLTransactionError("the server is a standby")
    major = connection.get_server_version().major
    if major < OLDEST_MAJOR:
        raise ConfigError(f"The database is PostgreSQL {major}; at least {OLDEST_MAJOR} is needed.")


async def _patient_pool(url: str, min_size: int, max_size: int, statement_seconds: float) -> Any:
    deadline = asyncio.get_running_loop().time() + _CONNECT_SECONDS
    while True:
        try:
            return await _Pool(
                url,
                connection_class=asyncpg.Connection,
                record_class=asyncpg.Record,
                loop=None,
                min_size=min_size,
                max_size=max_size,
                max_queries=_QUERIES,
                command_timeout=statement_seconds,
                max_inactive_connection_lifetime=_IDLE_SECONDS,
                init=_check_server,
                reset=_reset,
                server_settings=SESSION,
            )
        except (
            asyncpg.InvalidAuthorizationSpecificationError,
            asyncpg.InvalidCatalogNameError,
        ) as error:
            raise ConfigError(f"The database refuses the connection: {error}") from error
        except ValueError as error:
            raise ConfigError(f"`RUNWRIGHT_DATABASE_URL` cannot be read: {error}") from error
        except Exception as error:
            if not db_errors.is_passing(error):
                raise
            if asyncio.get_running_loop().time() > deadline:
                raise ConfigError(f"The database cannot be reached: {error}") from error
            await asyncio.sleep(0.2)
