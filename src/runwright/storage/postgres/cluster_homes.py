"""Which folder, the home, contains a data directory's cluster, and which user owns it.

Normally that is the directory itself. When it is under a folder closed to the user that PostgreSQL runs as for root,
the home is a folder in `/var/lib/runwright/clusters`, to which the directory points.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import shutil
from pathlib import Path

from runwright import config
from runwright.errors import ConfigError
from runwright.storage.postgres import binaries, system_users
from runwright.storage.postgres.system_users import SystemUser

FOLDER = "cluster"
"""Name of a cluster's folder in its home."""
_POINTER = "cluster-is-in"
_CLUSTERS = "clusters"
_OWNED = "owned"
"""Where root's clusters used to be before they were in the directory itself."""
_USED_BY = "used-by"


def choose(directory: Path) -> tuple[SystemUser | None, Path]:
    """Who PostgreSQL runs as (None for ourselves), and the home of the directory's cluster, created if it is new.

    Raises:
        ConfigError: the cluster belongs to another user or is gone, or there is no place for one.
    """
    return _for_root(directory) if config.is_root() else (None, _for_ourselves(directory))


def hold(home_: Path, directory: Path) -> int:
    """Lock a home outside the directory; a copy of the directory points to the same one.

    Raises:
        ConfigError: another process holds it.
    """
    lock = _lock(home_, directory)
    _write_user(home_, directory)
    return lock


def home(directory: Path) -> Path | None:
    """The home of a directory's cluster; None before the first start."""
    pointer = _pointer(directory)
    places = (directory, directory / _OWNED) if pointer is None else (pointer,)
    return next((place for place in places if (place / FOLDER).is_dir()), None)


def lost(directory: Path) -> Path | None:
    """Where a directory's missing cluster used to be; None when nothing is missing."""
    pointer = _pointer(directory)
    return None if pointer is None or pointer.is_dir() else pointer


def remove(directory: Path) -> None:
    """Remove the parts of a directory's cluster that are outside it; nothing may be running on them."""
    pointer = _pointer(directory)
    if pointer is not None:
        shutil.rmtree(pointer, ignore_errors=True)


def abandoned(directory: Path) -> list[tuple[Path, Path]]:
    """Homes of clusters that apparently no data directory points to, each with the last one that did.

    The directory's own home is left out: the directory may have been moved, and not used since.
    """
    own = _pointer(directory)
    found: list[tuple[Path, Path]] = []
    for file in (binaries.SYSTEM_DIRECTORY / _CLUSTERS).glob(f"*/{_USED_BY}"):
        with contextlib.suppress(OSError):
            users = _users(file)
            if file.parent != own and users and file.parent not in map(_pointer, users):
                found.append((file.parent, users[-1]))
    return found


def _for_ourselves(directory: Path) -> Path:
    pointer = _pointer(directory)
    if pointer is not None:
        raise ConfigError(
            f"The database of {directory} was created by root and is in {pointer}: start as root, or have root "
            f"move `{pointer / FOLDER}` to `{directory / FOLDER}`, change its owner, and remove `{directory / _POINTER}`."
        )
    cluster = directory / FOLDER
    if cluster.is_dir() and (owner := system_users.owner(cluster)).id != os.geteuid():
        raise ConfigError(
            f"The database in {cluster} belongs to the user `{owner.name}`: start as that user, or as root."
        )
    return directory


def _for_root(directory: Path) -> tuple[SystemUser, Path]:
    """The user that owns, or will own, the cluster, and its home."""
    existing = home(directory)
    if existing is None:
        user = system_users.own()
        return user, _new_home(directory, user)
    user = system_users.owner(existing / FOLDER)
    if user.id == 0:
        raise ConfigError(
            f"The database in {existing / FOLDER} belongs to root, but PostgreSQL refuses to run as root: run "
            f"`chown -R {system_users.own().name}: {existing / FOLDER}`, and try again."
        )
    if existing.is_relative_to(binaries.SYSTEM_DIRECTORY):
        _make_clusters()
    way = (*reversed(existing.parents), existing)
    closed = next((each for each in way if not system_users.can_enter(each, user)), None)
    if closed is not None:
        raise ConfigError(
            f"The database in {existing} runs as the user `{user.name}`, who cannot pass through {closed}: open it "
            f"(`chmod a+x {closed}`), or move the data directory to a place that user can reach."
        )
    return user, existing


def _new_home(directory: Path, user: SystemUser) -> Path:
    """A folder for a new cluster that the user can reach."""
    pointer = _pointer(directory)
    if pointer is not None:
        if not pointer.is_dir():
            raise ConfigError(
                f"The database of {directory} was in {pointer}, which is gone: bring it back, restore a backup "
                f"into a new data directory, or remove `{directory / _POINTER}` to begin with an empty one."
            )
        return pointer
    if system_users.can_enter(directory.parent, user):
        # Our own directory: PostgreSQL's user must be able to pass through it.
        directory.chmod(0o711)
        return directory
    # A new name each time: a data directory that was removed and recreated starts out empty.
    try:
        made = _make_clusters() / secrets.token_hex(8)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise ConfigError(
            f"{directory} is under a folder closed to the user `{user.name}` that PostgreSQL runs as, and the "
            f"cluster cannot be in {binaries.SYSTEM_DIRECTORY} either: {error.strerror}. Choose another `--data-dir`, or "
            "make that folder writable."
        ) from error
    made.mkdir()
    made.chmod(0o711)
    (directory / _POINTER).write_bytes(os.fsencode(made) + b"\n")
    return made


def _make_clusters() -> Path:
    """Create the folder for clusters outside of their data directories; PostgreSQL's user can pass through it."""
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
            f"The database of {directory}, in {home_}, is in use by another process: a copied data directory "
            "has no database of its own, so use `runwright backup` and `runwright restore` instead."
        ) from error
    return lock


def _write_user(home_: Path, directory: Path) -> None:
    """Record that the directory uses a cluster elsewhere, after others that did: copies, or earlier names."""
    file = home_ / _USED_BY
    users = dict.fromkeys((*(_users(file) if file.is_file() else ()), directory))
    del users[directory]
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with os.fdopen(os.open(file, flags, 0o600), "wb") as out:
        out.write(b"\0".join(map(os.fsencode, (*users, directory))))


def _users(file: Path) -> list[Path]:
    return [Path(os.fsdecode(each)) for each in file.read_bytes().split(b"\0") if each]


def _pointer(directory: Path) -> Path | None:
    try:
        return Path(os.fsdecode((directory / _POINTER).read_bytes().strip()))
    except FileNotFoundError:
        return None
