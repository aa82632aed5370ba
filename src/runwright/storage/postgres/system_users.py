"""Who PostgreSQL runs as where we are root, as which it refuses to."""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runwright.errors import ConfigError

_NAME = "runwright"
_LOCK = Path("/run/runwright-user.lock")
_PATH = os.pathsep.join(("/usr/local/sbin", "/usr/sbin", "/sbin", os.defpath))


@dataclass(frozen=True, kw_only=True, slots=True)
class SystemUser:
    """A user of this machine."""

    name: str
    id: int
    group_id: int


def own() -> SystemUser:
    """Return the user that PostgreSQL runs as for root, made if it is missing.

    Raises:
        ConfigError: it cannot be made; says how to make it by hand.
    """
    with _alone():
        if (found := find()) is not None:
            return found
        said = _make()
        if (made := find()) is not None:
            return made
    raise ConfigError(
        f"PostgreSQL does not run as root, and the user `{_NAME}` cannot be made: {said}. "
        f"Make it by hand (`useradd --system {_NAME}`), run as another user, or set `RUNWRIGHT_DATABASE_URL`."
    )


def find() -> SystemUser | None:
    """Return the user that PostgreSQL runs as for root, None if it is missing."""
    try:
        found = pwd.getpwnam(_NAME)
    except KeyError:
        return None
    return SystemUser(name=found.pw_name, id=found.pw_uid, group_id=found.pw_gid)


def has_name(user_id: int) -> bool:
    """Return whether the machine knows the user by a name."""
    try:
        pwd.getpwuid(user_id)
    except KeyError:
        return False
    return True


def owner(path: Path) -> SystemUser:
    """Return whose a file or folder is, were it somebody without a name here."""
    found = path.stat()
    name = pwd.getpwuid(found.st_uid).pw_name if has_name(found.st_uid) else str(found.st_uid)
    return SystemUser(name=name, id=found.st_uid, group_id=found.st_gid)


def can_enter(path: Path, user: SystemUser) -> bool:
    """Return whether the user gets to a folder: tried, because modes are not all that decides."""
    tried = subprocess.run(  # noqa: S603
        ["/bin/sh", "-c", 'cd -- "$1"', "sh", path],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env={"PATH": os.defpath},
        cwd="/",
        check=False,
        user=user.id,
        group=user.group_id,
        extra_groups=[],
    )
    return tried.returncode == 0


def _make() -> str:
    """Make the user with what the machine has for that; return what it said."""
    shell = shutil.which("nologin", path=_PATH) or "/bin/false"
    for command in (
        ("useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/", "--shell", shell, _NAME),
        # BusyBox's.
        ("adduser", "-S", "-D", "-H", "-h", "/", "-s", shell, _NAME),
    ):  # fmt: skip
        program = shutil.which(command[0], path=_PATH)
        if program is not None:
            made = subprocess.run(  # noqa: S603
                [program, *command[1:]], stdin=subprocess.DEVNULL, capture_output=True, check=False
            )
            return made.stderr.decode(errors="replace").strip() or "it said nothing"
    return "there is no `useradd`"


@contextmanager
def _alone() -> Generator[None]:
    """Let one process at a time look and make: a second `useradd` gives up while the first one writes."""
    try:
        lock = os.open(_LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError:
        # A machine whose /run cannot be written has made its users before.
        yield
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
