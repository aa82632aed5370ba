"""Where an embedded PostgreSQL lies: its programs, its cluster, its sockets, its user.

As root PostgreSQL refuses to run, so it runs as the user `runwright` (made if missing), from a copy of
its programs, on a directory that user owns. No permission of a directory that
we did not make is ever changed: where the data directory lies below one that is closed to that user,
the cluster is kept in `/var/lib/runwright/clusters` and the data directory names it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import shutil
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from runwright import config, socket_folders
from runwright.errors import ConfigError
from runwright.storage import binaries, system_users
from runwright.storage.system_users import SystemUser

FOLDER = "cluster"
"""Of a cluster, in its home."""
_POINTER = "cluster-is-in"
_CLUSTERS = "clusters"
_OWNED = "owned"
"""Where root's clusters were before they lay in the directory itself."""
_USED_BY = "used-by"
_SOCKETS = "sockets"
_SOCKETS_POINTER = "sockets-are-in"
_SOCKETS_PREFIX = "runwright-"
_SOCKET_BYTES = len(".s.PGSQL.5432.lock")
_PLAIN = re.compile(r"[A-Za-z0-9._/-]+")
"""What a list of PostgreSQL's folders for sockets, and an address, take as it is."""
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108
_OPEN_TO_ALL = 0o007
_LEAST_SHARED_BYTES = 16 * 1024 * 1024
_LEAST_BYTES = 1024 * 1024
"""With less than this free it is the disk that PostgreSQL fails for."""
_STOP_SECONDS = 20
_LOG_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where everything of one cluster lies, held until `leave`."""

    programs: Path
    """The folder of PostgreSQL's programs."""
    cluster: Path
    sockets: Path
    log_file: Path
    user: SystemUser | None
    """Who PostgreSQL runs as; None is ourselves."""
    held: ExitStack
    """What is given back in the end."""


def prepare(directory: Path) -> Place:
    """Return where everything of the directory's cluster lies, making what is missing; `leave` it in the end.

    Raises:
        ConfigError: the programs are missing or do not run, the cluster or its user cannot be made, or the
            cluster is somebody else's.
    """
    # As PostgreSQL's processes have it for their working directory.
    directory = directory.resolve()
    with ExitStack() as held:
        user, home_ = (
            _for_root(directory) if config.is_root() else (None, _for_ourselves(directory))
        )
        if home_ != directory:
            # A copy of the data directory names the same cluster.
            held.callback(os.close, _lock(home_, directory))
            _write_user(home_, directory)
        programs = _hold_programs(directory, user, held)
        sockets = _make_sockets(directory, home_, user)
        held.callback(shutil.rmtree, sockets, ignore_errors=True)
        log_file = directory / "postgresql.log"
        if log_file.exists() and log_file.stat().st_size > _LOG_BYTES:
            log_file.unlink()
        place = Place(
            programs=programs,
            cluster=home_ / FOLDER,
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
    """Return the place with programs that are there: they may have been removed or replaced by an upgrade.

    Raises:
        ConfigError: the programs are gone.
    """
    if (place.programs / "postgres").is_file():
        return place
    return replace(place, programs=_hold_programs(place.log_file.parent, place.user, place.held))


def leave(place: Place) -> None:
    """Give back what was held; nothing may run on the cluster any more."""
    place.held.close()


def home(directory: Path) -> Path | None:
    """Return where the cluster of a directory lies that was prepared before; None: there is none."""
    pointer = _pointer(directory)
    places = (directory, directory / _OWNED) if pointer is None else (pointer,)
    return next((place for place in places if (place / FOLDER).is_dir()), None)


def lost(directory: Path) -> Path | None:
    """Return where a directory's cluster was that is gone; None: none is."""
    pointer = _pointer(directory)
    return None if pointer is None or pointer.is_dir() else pointer


def shortage(path: Path) -> str | None:
    """Say that the disk of a cluster is full, if it is."""
    with contextlib.suppress(OSError):
        disk = os.statvfs(path)
        if disk.f_bavail * disk.f_frsize < _LEAST_BYTES:
            return f"The disk of {path} is full, and PostgreSQL does not start: make room there, and try again."
    return None


def remove(directory: Path) -> None:
    """Remove what is kept of a directory's cluster outside of it; nothing may run on it."""
    pointer = _pointer(directory)
    if pointer is not None:
        shutil.rmtree(pointer, ignore_errors=True)


def shared_memory() -> str:
    """Return the setting that says where PostgreSQL's processes share memory: in files where there is no /dev/shm."""
    try:
        disk = os.statvfs(_SHARED_MEMORY)
        is_usable = disk.f_bavail * disk.f_frsize >= _LEAST_SHARED_BYTES
        is_open = _SHARED_MEMORY.stat().st_mode & _OPEN_TO_ALL == _OPEN_TO_ALL
    except OSError:
        is_usable = is_open = False
    return f"dynamic_shared_memory_type={'posix' if is_usable and is_open else 'mmap'}"


def abandoned(directory: Path) -> list[tuple[Path, Path]]:
    """Return homes of clusters that no data directory names, as far as that can be told, and which one did last.

    The directory's own is left out: it may have been moved, and not been used since.
    """
    own = _pointer(directory)
    found: list[tuple[Path, Path]] = []
    for file in (binaries.SYSTEM_DIRECTORY / _CLUSTERS).glob(f"*/{_USED_BY}"):
        with contextlib.suppress(OSError):
            users = _users(file)
            if file.parent != own and users and file.parent not in map(_pointer, users):
                found.append((file.parent, users[-1]))
    return found


def _hold_programs(directory: Path, user: SystemUser | None, held: ExitStack) -> Path:
    spare = directory if user is None or system_users.can_enter(directory, user) else None
    programs = binaries.hold(user, spare)
    held.callback(binaries.release, programs)
    return programs.folder


def _pointer(directory: Path) -> Path | None:
    try:
        return Path(os.fsdecode((directory / _POINTER).read_bytes().strip()))
    except FileNotFoundError:
        return None


def _for_ourselves(directory: Path) -> Path:
    pointer = _pointer(directory)
    if pointer is not None:
        raise ConfigError(
            f"The database of {directory} was made by root and is in {pointer}: start as root, or have root "
            f"move `{pointer / FOLDER}` to `{directory / FOLDER}`, change its owner, and remove `{directory / _POINTER}`."
        )
    cluster = directory / FOLDER
    if cluster.is_dir() and (owner := system_users.owner(cluster)).id != os.geteuid():
        raise ConfigError(
            f"The database in {cluster} belongs to the user `{owner.name}`: start as that user, or as root."
        )
    return directory


def _for_root(directory: Path) -> tuple[SystemUser, Path]:
    """Return the user that the cluster belongs to or shall, and its home."""
    existing = home(directory)
    if existing is None:
        user = system_users.own()
        return user, _new_home(directory, user)
    user = system_users.owner(existing / FOLDER)
    if user.id == 0:
        raise ConfigError(
            f"The database in {existing / FOLDER} belongs to root, as which PostgreSQL does not run: "
            f"`chown -R {system_users.own().name}: {existing / FOLDER}`, and try again."
        )
    if existing.is_relative_to(binaries.SYSTEM_DIRECTORY):
        _make_clusters()
    way = (*reversed(existing.parents), existing)
    closed = next((each for each in way if not system_users.can_enter(each, user)), None)
    if closed is not None:
        raise ConfigError(
            f"The database in {existing} runs as the user `{user.name}`, who cannot pass through {closed}: open it "
            f"(`chmod a+x {closed}`), or move the data directory to where that user can get to."
        )
    return user, existing


def _new_home(directory: Path, user: SystemUser) -> Path:
    """Return a folder for a new cluster that the user can get to."""
    pointer = _pointer(directory)
    if pointer is not None:
        if not pointer.is_dir():
            raise ConfigError(
                f"The database of {directory} was in {pointer}, which is gone: bring it back, restore a backup "
                f"into a new data directory, or remove `{directory / _POINTER}` to begin with an empty one."
            )
        return pointer
    if system_users.can_enter(directory.parent, user):
        # Our own directory: its user must be able to pass through it.
        directory.chmod(0o711)
        return directory
    # A new name each time: a data directory that was removed and made again starts empty.
    try:
        made = _make_clusters() / secrets.token_hex(8)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise ConfigError(
            f"{directory} lies below a folder that is closed to the user `{user.name}`, as whom PostgreSQL runs, and the "
            f"cluster cannot be in {binaries.SYSTEM_DIRECTORY} either: {error.strerror}. Choose another `--data-dir`, or "
            "have that be writable."
        ) from error
    made.mkdir()
    made.chmod(0o711)
    (directory / _POINTER).write_bytes(os.fsencode(made) + b"\n")
    return made


def _make_clusters() -> Path:
    """Make the folder of clusters that lie outside of their data directories; its user can pass through it."""
    clusters = binaries.make_system_directory() / _CLUSTERS
    clusters.mkdir(exist_ok=True)
    clusters.chmod(0o711)
    return clusters


def _lock(home_: Path, directory: Path) -> int:
    lock = os.open(home_ / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise ConfigError(
            f"The database of {directory}, in {home_}, is in use by another process: a copy of a data directory "
            "has no database of its own, use `runwright backup` and `runwright restore`."
        ) from error
    return lock


def _write_user(home_: Path, directory: Path) -> None:
    """Write down that the directory uses a cluster that lies elsewhere, beside others that did: copies, or earlier names."""
    file = home_ / _USED_BY
    users = dict.fromkeys((*(_users(file) if file.is_file() else ()), directory))
    del users[directory]
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with os.fdopen(os.open(file, flags, 0o600), "wb") as out:
        out.write(b"\0".join(map(os.fsencode, (*users, directory))))


def _users(file: Path) -> list[Path]:
    return [Path(os.fsdecode(each)) for each in file.read_bytes().split(b"\0") if each]


def _make_sockets(directory: Path, home_: Path, user: SystemUser | None) -> Path:
    """Make the folder for sockets: beside the cluster, or in a temporary folder where that path is no good."""
    pointer = directory / _SOCKETS_POINTER
    if pointer.is_file():
        # Left by one that was killed.
        left = Path(os.fsdecode(pointer.read_bytes()))
        if left.name.startswith(_SOCKETS_PREFIX):
            shutil.rmtree(left, ignore_errors=True)
        pointer.unlink()
    sockets = home_ / _SOCKETS
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
    """Make the cluster once; one that a crash left half made is not used but made anew."""
    if place.cluster.is_dir():
        return
    if place.user is None and not system_users.has_name(os.geteuid()):
        raise ConfigError(
            f"The user id {os.geteuid()} has no entry in /etc/passwd, without which PostgreSQL makes no cluster: add "
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

    PostgreSQL refuses to start while the process id in its `postmaster.pid` exists, were it a zombie
    or, after a reboot, a stranger. The file goes once nobody works in the cluster any more.
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
