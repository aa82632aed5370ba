"""Database dumps, written and restored by PostgreSQL's own programs; consistent while in use."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from runwright import config
from runwright.errors import ConfigError
from runwright.storage.postgres import binaries, cluster_homes, embedded

_PORT_LINE, _SOCKETS_LINE = 3, 4


@asynccontextmanager
async def reach(directory: Path) -> AsyncGenerator[str]:
    """Yield the URL of a data directory's embedded PostgreSQL, starting it unless it is running.

    Raises:
        ConfigError: the directory has no database, or it does not start.
    """
    home = cluster_homes.home(directory)
    if home is None:
        raise ConfigError(f"There is no database in {directory}: is that the data directory?")
    config.forget_postgresql()
    if await asyncio.to_thread(_is_locked, directory):
        yield await asyncio.to_thread(_running_url, home / cluster_homes.FOLDER)
        return
    async with embedded.run(directory) as server:
        yield server.url


async def write(url: str, target: Path) -> None:
    """Dump a snapshot of the database to a file without blocking its users.

    Raises:
        ConfigError: pg_dump failed; includes its output.
    """
    await _program(
        "pg_dump", "--format=custom", "--no-owner", f"--file={target}", f"--dbname={url}"
    )


async def read(url: str, source: Path) -> None:
    """Restore an empty database from a file, all or nothing.

    Raises:
        ConfigError: pg_restore failed; includes its output.
    """
    await _program(
        "pg_restore", "--no-owner", "--exit-on-error", "--single-transaction", f"--dbname={url}", str(source)
    )  # fmt: skip


async def _program(name: str, *arguments: str) -> None:
    programs = await asyncio.to_thread(binaries.wheel)
    process = await asyncio.create_subprocess_exec(
        str(programs / name),
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**config.postgresql_environment(), **binaries.ENVIRONMENT},
    )
    try:
        output, _ = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        raise ConfigError(f"{name} failed: {output.decode(errors='replace').strip()}")


def _is_locked(directory: Path) -> bool:
    """True when a process is using the directory."""
    try:
        descriptor = os.open(directory / "lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _running_url(data: Path) -> str:
    try:
        lines = (
            (data / "postmaster.pid")
            .read_text(encoding="utf-8", errors="surrogateescape")
            .splitlines()
        )
        port, sockets = lines[_PORT_LINE], lines[_SOCKETS_LINE]
    except (OSError, IndexError) as error:
        raise ConfigError(
            "A process is using the data directory, but its database is not up yet: try again."
        ) from error
    return f"postgresql://runwright@/postgres?host={sockets}&port={port}"
