"""The embedded PostgreSQL: real binaries from a wheel, run as our own child on one directory."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import fcntl
import functools
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import asyncpg

from runwright import config, telemetry
from runwright.errors import ConfigError
from runwright.storage.postgres import binaries, cluster
from runwright.storage.postgres.system_users import SystemUser

log = telemetry.logger(__name__)

_START_SECONDS = 60
_STOP_SECONDS = 20
_TAIL_LINES = 20
_RESTART_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)
_SETTINGS = (
    "listen_addresses=",
    "max_connections=100",
    "shared_buffers=64MB",
    "jit=off",
    "unix_socket_permissions=0700",
)
_PR_SET_PDEATHSIG = 1
_LIBC: ctypes.CDLL | None = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class Server:
    """A running embedded PostgreSQL."""

    def __init__(self, place: cluster.Place) -> None:
        self._place = place
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """The connection URL: a Unix socket that only its user and root can open."""
        return f"postgresql://runwright@/postgres?host={quote(str(self._place.sockets))}"

    @property
    def pid(self) -> int:
        """The process id of the postmaster."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start and wait until it accepts connections.

        Raises:
            ConfigError: it did not start; includes the end of its log.
        """
        place = self._place = await asyncio.to_thread(cluster.with_programs, self._place)
        await asyncio.to_thread(cluster.stop_leftover, place)
        with place.log_file.open("ab") as out:
            self._process = await asyncio.create_subprocess_exec(
                str(place.programs / "postgres"),
                "-D",
                str(place.cluster),
                "-k",
                str(place.sockets),
                *(
                    part
                    for setting in (*_SETTINGS, cluster.shared_memory())
                    for part in ("-c", setting)
                ),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=binaries.ENVIRONMENT,
                cwd="/",
                start_new_session=True,
                preexec_fn=functools.partial(_begin, place.user),
            )
        await self._wait_for_connections()

    async def stop(self) -> None:
        """Shut down cleanly in fast mode; kill after the deadline."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGINT)
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def keep_alive(self) -> None:
        """Restart it whenever it dies, forever."""
        failures = 0
        while True:
            assert self._process is not None
            code = await self._process.wait()
            log.error("embedded PostgreSQL died", event_name="postgresql_died", exit_code=code)
            await asyncio.sleep(_RESTART_SECONDS[min(failures, len(_RESTART_SECONDS) - 1)])
            try:
                await self.start()
            except Exception as error:  # noqa: BLE001 - nothing works without it, so keep trying whatever the error
                failures += 1
                log.error(  # noqa: TRY400 - the message has it all
                    "embedded PostgreSQL did not start",
                    event_name="postgresql_failed",
                    error=str(error),
                )
            else:
                failures = 0
                log.info("embedded PostgreSQL is back", event_name="postgresql_restarted")

    async def _wait_for_connections(self) -> None:
        assert self._process is not None
        deadline = asyncio.get_running_loop().time() + _START_SECONDS
        while True:
            try:
                connection = cast("Any", await asyncpg.connect(self.url, timeout=5))  # pyright: ignore[reportUnknownMemberType]
            except (OSError, asyncpg.PostgresError, TimeoutError) as error:
                is_late = asyncio.get_running_loop().time() > deadline
                if self._process.returncode is not None or is_late:
                    raise ConfigError(self._why_not()) from error
                await asyncio.sleep(0.02)
            else:
                await connection.close()
                return

    def _why_not(self) -> str:
        if (message := cluster.shortage(self._place.cluster)) is not None:
            return message
        lines = self._place.log_file.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
        return "\n".join(["The embedded PostgreSQL did not start:", *lines])


@asynccontextmanager
async def run(directory: Path) -> AsyncGenerator[Server]:
    """Run PostgreSQL on the directory, created on first use, until the block ends.

    Raises:
        ConfigError: another process runs one there, or it cannot be started.
    """
    config.forget_postgresql()
    await asyncio.to_thread(lambda: directory.mkdir(parents=True, exist_ok=True, mode=0o700))
    lock = await asyncio.to_thread(_take_lock, directory)
    try:
        place = await asyncio.to_thread(_prepare, directory)
        server = Server(place)
        try:
            await server.start()
            keeping = asyncio.create_task(server.keep_alive(), name="embedded-postgresql")
            try:
                yield server
            finally:
                keeping.cancel()
                await asyncio.gather(keeping, return_exceptions=True)
        finally:
            await server.stop()
            await asyncio.to_thread(cluster.leave, place)
    finally:
        os.close(lock)


def _prepare(directory: Path) -> cluster.Place:
    try:
        return cluster.prepare(directory)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise ConfigError(
            f"The embedded PostgreSQL cannot be prepared in {directory}: {error}. Root needs the capabilities to switch "
            "users (CAP_SETUID, CAP_SETGID, CAP_CHOWN); otherwise run as another user, or set `RUNWRIGHT_DATABASE_URL`."
        ) from error


def _take_lock(directory: Path) -> int:
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 32, 0).decode().strip()
        os.close(descriptor)
        raise ConfigError(
            f"Process {holder or 'unknown'} is already using {directory}: "
            "stop it, or start with another `--data-dir`."
        ) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def _begin(user: SystemUser | None) -> None:
    """Switch to the user, and have the kernel stop PostgreSQL when we die.

    SIGQUIT ends it immediately, with recovery on the next start. uvloop's subprocesses do not support `user`.
    """
    if user is not None:
        os.setgroups([])
        os.setgid(user.group_id)
        os.setuid(user.id)
    # Must follow the change of user, which clears it.
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)
