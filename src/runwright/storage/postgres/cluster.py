"""The layout of an embedded PostgreSQL: its programs, its cluster, its sockets, its user.

PostgreSQL refuses to run as root, so then it runs as the user `runwright` (created if missing), from a copy of
its programs, on a cluster which that user owns. We never change permissions of a directory that we did not create.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from runwright import socket_folders
from runwright.errors import ConfigError
from runwright.storage.postgres import binaries, cluster_homes, system_users
from runwright.storage.postgres.system_users import SystemUser

_SOCKETS = "sockets"
_SOCKETS_POINTER = "sockets-are-in"
_SOCKETS_PREFIX = "runwright-"
_SOCKET_BYTES = len(".s.PGSQL.5432.lock")
_PLAIN = re.compile(r"[A-Za-z0-9._/-]+")
"""Characters that PostgreSQL's list of socket folders, and a URL, accept unquoted."""
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108
_OPEN_TO_ALL = 0o007
_LEAST_SHARED_BYTES = 16 * 1024 * 1024
_LEAST_BYTES = 1024 * 1024
"""With less free space than this, a full disk is why PostgreSQL fails."""
_STOP_SECONDS = 20
_LOG_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where the parts of one cluster are, held until `leave`."""

    programs: Path
    """The folder of PostgreSQL's programs."""
    cluster: Path
    sockets: Path
    log_file: Path
    user: SystemUser | None
    """Who PostgreSQL runs as; None is ourselves."""
    held: ExitStack
    """What `leave` releases."""


def prepare(directory: Path) -> Place:
    """Locate all parts of the directory's cluster, creating what is missing; `leave` it afterwards.

    Raises:
        ConfigError: the programs are missing or do not run, the cluster or its user cannot be created, or
            the cluster belongs to another user.
    """
    # To match the working directory of PostgreSQL's processes.
    directory = directory.resolve()
    with ExitStack() as held:
        user, home = cluster_homes.choose(directory)
        if home != directory:
            held.callback(os.close, cluster_homes.hold(home, directory))
        programs = _hold_programs(directory, user, held)
        sockets = _make_sockets(directory, home, user)
        held.callback(shutil.rmtree, sockets, ignore_errors=True)
        log_file = directory / "postgresql.log"
        if log_file.exists() and log_file.stat().st_size > _LOG_BYTES:
            log_file.unlink()
        place = Place(
            programs=programs,
            cluster=home / cluster_homes.FOLDER,
            sockets=sockets,
            log_file=log_file,
            user=user,
            held=held.pop_all(),
        )
    try:
        _initialise(place)
    except BaseException:
        leave(place)
        raise
    return place


def with_programs(place: Place) -> Place:
    """The place with programs that exist: an upgrade may have removed or replaced them.

    Raises:
        ConfigError: the programs are gone.
    """
    if (place.programs / "postgres").is_file():
        return place
    return replace(place, programs=_hold_programs(place.log_file.parent, place.user, place.held))


def leave(place: Place) -> None:
    """Release everything that was held; nothing may still be running on the cluster."""
    place.held.close()


def shortage(path: Path) -> str | None:
    """A message that the cluster's disk is full, if it is."""
    with contextlib.suppress(OSError):
        disk = os.statvfs(path)
        if disk.f_bavail * disk.f_frsize < _LEAST_BYTES:
            return f"The disk of {path} is full, so PostgreSQL does not start: free up space there, and try again."
    return None


def shared_memory() -> str:
    """The setting for PostgreSQL's shared memory: files where there is no usable /dev/shm."""
    try:
        disk = os.statvfs(_SHARED_MEMORY)
        is_usable = disk.f_bavail * disk.f_frsize >= _LEAST_SHARED_BYTES
        is_open = _SHARED_MEMORY.stat().st_mode & _OPEN_TO_ALL == _OPEN_TO_ALL
    except OSError:
        is_usable = is_open = False
    return f"dynamic_shared_memory_type={'posix' if is_usable and is_open else 'mmap'}"


def _hold_programs(directory: Path, user: SystemUser | None, held: ExitStack) -> Path:
    spare = directory if user is None or system_users.can_enter(directory, user) else None
    programs = binaries.hold(user, spare)
    held.callback(binaries.release, programs)
    return programs.folder


def _make_sockets(directory: Path, home: Path, user: SystemUser | None) -> Path:
    """Create the folder for sockets: beside the cluster, or in a temporary folder if that path is unsuitable."""
    pointer = directory / _SOCKETS_POINTER
    if pointer.is_file():
        # Left by a process that was killed.
        left = Path(os.fsdecode(pointer.read_bytes()))
        if left.name.startswith(_SOCKETS_PREFIX):
            shutil.rmtree(left, ignore_errors=True)
        pointer.unlink()
    sockets = home / _SOCKETS
    shutil.rmtree(sockets, ignore_errors=True)
    sockets.mkdir(mode=0o700)
    is_good = _PLAIN.fullmatch(str(sockets)) is not None
    if not is_good or socket_folders.why_not(sockets, inside_bytes=_SOCKET_BYTES) is not None:
        sockets.rmdir()
        sockets = socket_folders.make(
            _SOCKETS_PREFIX,
            inside_bytes=_SOCKET_BYTES,
            fits=lambda place: user is None or system_users.can_enter(place, user),
        )
        pointer.write_bytes(os.fsencode(sockets))
    if user is not None:
        os.chown(sockets, user.id, user.group_id, follow_symlinks=False)
    return sockets


def _initialise(place: Place) -> None:
    """Create the cluster once; one left half made by a crash is discarded."""
    if place.cluster.is_dir():
        return
    if place.user is None and not system_users.has_name(os.geteuid()):
        raise ConfigError(
            f"The user id {os.geteuid()} has no entry in /etc/passwd, which PostgreSQL needs to create a cluster: add "
            f"one (`runwright:x:{os.geteuid()}:{os.getegid()}::/:/usr/sbin/nologin`), run as a user who has one, or "
            "set `RUNWRIGHT_DATABASE_URL`."
        )
    building = place.cluster.with_name("cluster.building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(mode=0o700)
    if place.user is not None:
        os.chown(building, place.user.id, place.user.group_id, follow_symlinks=False)
    made = binaries.run(
        place.programs / "initdb", "--pgdata", str(building), "--username", "runwright", "--auth", "trust",
        "--encoding", "UTF8", "--locale", "C", "--no-instructions", "--set", shared_memory(),
        user=place.user,
    )  # fmt: skip
    if made.returncode != 0:
        if (message := shortage(building)) is not None:
            raise ConfigError(message)
        output = made.stdout.decode(errors="replace")
        raise ConfigError(f"PostgreSQL's initdb failed in {building}:\n{output}")
    building.rename(place.cluster)


def stop_leftover(place: Place) -> None:
    """Stop a postmaster of this cluster that outlived its Runwright; our lock says we are alone.

    PostgreSQL refuses to start while the process id in `postmaster.pid` exists, even if that is a zombie
    or, after a reboot, an unrelated process. We remove the file once no process works in the cluster anymore.
    """
    file = place.cluster / "postmaster.pid"
    try:
        pid = int(file.read_text(encoding="utf-8", errors="surrogateescape").splitlines()[0])
    except (OSError, ValueError, IndexError):
        return
    if str(place.cluster).encode() in _arguments(pid):
        binaries.run(
            place.programs / "pg_ctl", "stop", "-D", str(place.cluster), "-m", "fast", "-w", "-t", "20",
            user=place.user,
        )  # fmt: skip
    if not Path("/proc/self/cwd").exists():
        return
    deadline = time.monotonic() + _STOP_SECONDS
    pause = threading.Event()
    while workers := _working_in(place.cluster):
        if time.monotonic() > deadline:
            raise ConfigError(
                f"Processes of an earlier PostgreSQL are still running, end them first: {workers}"
            )
        pause.wait(0.05)
    file.unlink(missing_ok=True)


def _arguments(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def _working_in(cluster: Path) -> list[int]:
    """The processes whose working directory is the cluster, as it is for all of PostgreSQL's."""
    found: list[int] = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").readlink() == cluster:
                found.append(int(entry.name))
        except OSError:
            continue
    return found
