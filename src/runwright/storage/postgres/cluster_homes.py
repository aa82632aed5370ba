"""Which folder a data directory's cluster lies in, its home, and whose it is.

That is the directory itself. Where it lies below a folder that is closed to the user of root's PostgreSQL, it is one in
`/var/lib/runwright/clusters`, which the directory names.
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
"""Of a cluster, in its home."""
_POINTER = "cluster-is-in"
_CLUSTERS = "clusters"
_OWNED = "owned"
"""Where root's clusters were before they lay in the directory itself."""
_USED_BY = "used-by"


def choose(directory: Path) -> tuple[SystemUser | None, Path]:
    """Return who PostgreSQL runs as, None for ourselves, and the home of the directory's cluster, made if it is new.

    Raises:
        ConfigError: the cluster is somebody else's or gone, or there is no place for one.
    """
    return _for_root(directory) if config.is_root() else (None, _for_ourselves(directory))


def hold(home_: Path, directory: Path) -> int:
    """Lock a home that is not the directory itself; a copy of the directory names the same one.

    Raises:
        ConfigError: another process holds it.
    """
    lock = _lock(home_, directory)
    _write_user(home_, directory)
    return lock


def home(directory: Path) -> Path | None:
    """Return the home of a directory's cluster, None before the first start."""
    pointer = _pointer(directory)
    places = (directory, directory / _OWNED) if pointer is None else (pointer,)
    return next((place for place in places if (place / FOLDER).is_dir()), None)


def lost(directory: Path) -> Path | None:
    """Return where a directory's cluster was that is gone; None: none is."""
    pointer = _pointer(directory)
    return None if pointer is None or pointer.is_dir() else pointer


def remove(directory: Path) -> None:
    """Remove what is kept of a directory's cluster outside of it; nothing may run on it."""
    pointer = _pointer(directory)
    if pointer is not None:
        shutil.rmtree(pointer, ignore_errors=True)


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


def _pointer(directory: Path) -> Path | None:
    try:
        return Path(os.fsdecode((directory / _POINTER).read_bytes().strip()))
    except FileNotFoundError:
        return None
