"""The connection to PostgreSQL: pool, transactions, migrations, and named queries."""

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
"""How long a connection may take to acknowledge a cancel before it is given up."""
UNBOUNDED = 1e8
"""Seconds: effectively no limit. None would mean the pool's default."""
_QUERIES = 50_000
"""A connection is replaced after this many queries: asyncpg's default."""
_IDLE_SECONDS = 60
"""An idle connection costs up to 10 MiB of the database's memory."""
SESSION = {
    "application_name": "runwright",
    # JIT compilation of the queue's short statements costs more than it saves.
    "jit": "off",
    # Limits how long a process that is stopped or cut off mid-transaction can hold its locks.
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
        """Reveals a step that was changed after it was applied."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


class _Pool(asyncpg.Pool):
    """A pool that gives up connections that have gone silent.

    After canceling a statement, for example on a timeout, asyncpg waits for the server to acknowledge the cancel.
    """

    async def release(self, connection: Any, *, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Return a connection to the pool, or terminate it if it does not respond in time."""
        try:
            await super().release(connection, timeout=timeout or _RELEASE_SECONDS)  # pyright: ignore[reportUnknownMemberType]
        except TimeoutError:
            # The connection is terminated. Do not mask the original error, which may be a cancellation.
            log.warning("connection given up", event_name="connection_given_up")


@asynccontextmanager
async def connect(
    url: str, *, min_size: int, max_size: int, statement_seconds: float = _STATEMENT_SECONDS
) -> AsyncGenerator[Any]:
    """Open a pool, waiting up to 30 s for the database; `statement_seconds` limits each statement.

    Raises:
        ConfigError: the database is unreachable, refuses the connection, or is older than PostgreSQL 14.
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
    """Run the block in a transaction: commit on success, roll back on an exception."""
    async with connection.transaction():
        yield


async def now(connection: Any) -> datetime:
    """The database's clock, which the whole installation uses."""
    return await connection.fetchval("SELECT clock_timestamp()")


def migrations(directory: Path = _MIGRATIONS) -> list[Migration]:
    """The steps in order; numbers may be skipped.

    Raises:
        ConfigError: a file's name is invalid, or a number occurs twice.
    """
    found: list[Migration] = []
    for file in sorted(directory.glob("*.sql")):
        parts = _MIGRATION_NAME.fullmatch(file.name)
        if parts is None or (found and int(parts[1]) == found[-1].number):
            raise ConfigError(f"Invalid migration name, or duplicate number: {file.name}")
        found.append(
            Migration(
                number=int(parts[1]),
                name=parts[2],
                sql=file.read_text(encoding="utf-8"),
            )
        )
    return found


async def migrate(pool: Any, directory: Path = _MIGRATIONS) -> list[int]:
    """Apply the missing steps, one process at a time; return their numbers.

    Raises:
        ConfigError: an applied step has since been changed, or the database is newer than this code.
    """
    steps = await asyncio.to_thread(migrations, directory)
    async with alone(pool, _MIGRATION_LOCK) as connection:
        return await _apply(connection, steps)


@asynccontextmanager
async def alone(pool: Any, lock: int) -> AsyncGenerator[Any]:
    """Yield a connection that holds an installation-wide advisory lock, waiting as long as it takes."""
    async with pool.acquire() as connection:
        await connection.execute("SET lock_timeout = 0")
        try:
            await connection.execute("SELECT pg_advisory_lock($1)", lock, timeout=UNBOUNDED)
            try:
                yield connection
            finally:
                await connection.execute("SELECT pg_advisory_unlock($1)", lock)
        finally:
            # Restore the value that the connection was opened with.
            await connection.execute("RESET lock_timeout")


@cache
def queries(name: str) -> Mapping[str, str]:
    """The named statements of `sql/<name>.sql`.

    A statement begins with a line `-- its_name --`; comments are sent to the server, where they help
    anyone reading its log.
    """
    text = (resources.files("runwright.storage") / "sql" / f"{name}.sql").read_text(
        encoding="utf-8"
    )
    parts = _QUERY_HEAD.split(text)
    found = dict(zip(parts[1::2], (part.strip().rstrip(";") for part in parts[2::2]), strict=True))
    if len(found) != len(parts) // 2:
        raise ConfigError(f"sql/{name}.sql contains two statements with the same name")
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
            "start a version at least as new as the last one that ran."
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
            # On a large table a step can take hours.
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
    """Prepare a connection for reuse: our code never leaves session state behind.

    asyncpg's own reset costs a round trip at every release, 17 for one Run. A connection to a server that has
    become a standby is useless: the next one may reach the new primary.
    """
    if _is_standby(connection):
        connection.terminate()
    elif connection.is_in_transaction():
        await connection.reset()


def _is_standby(connection: Any) -> bool:
    """True when the server is read-only; PostgreSQL reports changes of this setting by itself."""
    return getattr(connection.get_settings(), "in_hot_standby", "off") == "on"


async def _check_server(connection: Any) -> None:
    """Reject a standby, and a PostgreSQL that is too old: both say so on connecting."""
    if _is_standby(connection):
        raise asyncpg.ReadOnlySQLTransactionError("the server is a standby")
    major = connection.get_server_version().major
    if major < OLDEST_MAJOR:
        raise ConfigError(
            f"The database is PostgreSQL {major}; version {OLDEST_MAJOR} or newer is required."
        )


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
            raise ConfigError(f"`RUNWRIGHT_DATABASE_URL` is invalid: {error}") from error
        except Exception as error:
            if not db_errors.is_passing(error):
                raise
            if asyncio.get_running_loop().time() > deadline:
                raise ConfigError(f"The database is unreachable: {error}") from error
            await asyncio.sleep(0.2)
