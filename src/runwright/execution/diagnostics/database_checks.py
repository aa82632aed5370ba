"""Checks of the database: the embedded PostgreSQL's programs, the connection, schema and clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import asyncpg

from runwright import config
from runwright.adapters import disk
from runwright.config import Settings
from runwright.domain.insight.diagnostics import Finding
from runwright.errors import ConfigError
from runwright.execution.diagnostics import findings
from runwright.storage import database
from runwright.storage.postgres import binaries, cluster_homes, dump, system_users

_DATABASE_SECONDS = 30
_SKEW_SECONDS = 2.0
_MIBI = 2**20


def postgresql(directory: Path) -> list[Finding]:
    """Try the embedded PostgreSQL's programs as the user that runs them."""
    user = None
    try:
        if config.is_root():
            home = cluster_homes.home(directory)
            user = (
                system_users.find()
                if home is None
                else system_users.owner(home / cluster_homes.FOLDER)
            )
        held = binaries.hold(user, directory if directory.is_dir() else None)
        try:
            tried = binaries.run(held.folder / "postgres", "--version", user=user)
        finally:
            binaries.release(held)
    except (ConfigError, OSError) as error:
        text = error.message if isinstance(error, ConfigError) else str(error)
        return [findings.failure("PostgreSQL", text, "")]
    text = f"{tried.stdout.decode(errors='replace').strip()} in {held.folder}"
    if user is not None:
        text += f", a copy of {binaries.wheel()} for the user `{user.name}`"
    return [findings.ok("PostgreSQL", text), *_abandoned(directory)]


def _abandoned(directory: Path) -> list[Finding]:
    found = cluster_homes.abandoned(directory)
    if not found:
        return []
    size = sum(disk.used_bytes(home) for home, _ in found) // _MIBI
    listed = "; ".join(f"{home}, last used by {user}" for home, user in found)
    text = f"{len(found)} whose data directories are gone, {size} MiB: {listed}"
    remedy = "if a data directory was moved, start Runwright on it at its new place; remove the rest with `rm -r`"
    return [findings.warning("leftover databases", text, remedy)]


async def check(settings: Settings) -> AsyncIterator[Finding]:
    """Check the database, and our clock against its clock."""
    directory = settings.data_dir / "postgresql"
    try:
        if settings.database_url is None and (gone := cluster_homes.lost(directory)) is not None:
            text = f"it was in {gone}, which is gone"
            yield findings.failure(
                "database", text, "bring it back, or restore a backup into a new data directory"
            )
            return
        if settings.database_url is None and cluster_homes.home(directory) is None:
            yield findings.ok("database", "none yet; the first start creates one")
            return
        async with asyncio.timeout(_DATABASE_SECONDS):
            if settings.database_url is not None:
                found = await _ask(settings.database_url)
            else:
                async with dump.reach(directory) as url:
                    found = await _ask(url)
    except (
        ConfigError,
        OSError,
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        ValueError,
    ) as error:
        remedy = "see postgresql.log in the data directory, or check `RUNWRIGHT_DATABASE_URL`"
        yield findings.failure(
            "database", f"cannot connect: {error or type(error).__name__}", remedy
        )
        return
    for finding in found:
        yield finding


async def _ask(url: str) -> list[Finding]:
    connection = cast("Any", await asyncpg.connect(url, timeout=10))  # pyright: ignore[reportUnknownMemberType]
    try:
        version = int(await connection.fetchval("SHOW server_version_num")) // 10_000
        applied = await connection.fetchval("SELECT to_regclass('schema_migrations') IS NOT NULL")
        numbers = [
            row[0] for row in await connection.fetch("SELECT number FROM schema_migrations")
        ] if applied else []  # fmt: skip
        skew = abs((await database.now(connection) - datetime.now(UTC)).total_seconds())
    finally:
        await connection.close()
    known = {step.number for step in await asyncio.to_thread(database.migrations)}
    return [_schema(version, set(numbers), known), _clock(skew)]


def _schema(version: int, applied: set[int], known: set[int]) -> Finding:
    text = f"PostgreSQL {version}"
    if version < database.OLDEST_MAJOR:
        remedy = f"use version {database.OLDEST_MAJOR} or newer"
        return findings.failure("database", text, remedy)
    if later := applied - known:
        text += f", schema of a newer version of Runwright (migration {max(later)})"
        return findings.failure(
            "database", text, "start a version at least as new as the last one that ran"
        )
    if missing := known - applied:
        return findings.ok("database", f"{text}; the next start applies {len(missing)} migrations")
    return findings.ok("database", f"{text}, up to date")


def _clock(skew: float) -> Finding:
    if skew > _SKEW_SECONDS:
        remedy = (
            "synchronize both clocks, for example with chrony: schedules and links depend on them"
        )
        return findings.failure("clock", f"{skew:.1f} s off the database's clock", remedy)
    return findings.ok("clock", "in sync with the database's")
