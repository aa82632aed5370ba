"""The user that PostgreSQL runs as when we are root, as it refuses to run as root."""

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
    """The user that PostgreSQL runs as for root, created if missing.

    Raises:
        ConfigError: it cannot be created; says how to create it manually.
    """
    with _alone():
        if (found := find()) is not None:
            return found
        said = _make()
        if (made := find()) is not None:
            return made
    raise ConfigError(
        f"PostgreSQL refuses to run as root, and the user `{_NAME}` cannot be created: {said}. "
        f"Create it manually (`useradd --system {_NAME}`), run as another user, or set `RUNWRIGHT_DATABASE_URL`."
    )


def find() -> SystemUser | None:
    """The user that PostgreSQL runs as for root; None when missing."""
    try:
        found = pwd.getpwnam(_NAME)
    except KeyError:
        return None
    return SystemUser(name=found.pw_name, id=found.pw_uid, group_id=found.pw_gid)


def has_name(user_id: int) -> bool:
    """True when the machine has a name for the user id."""
    try:
        pwd.getpwuid(user_id)
    except KeyError:
        return False
    return True


def owner(path: Path) -> SystemUser:
    """The owner of a file or folder, even one without a name on this machine."""
    found = path.stat()
    name = pwd.getpwuid(found.st_uid).pw_name if has_name(found.st_uid) else str(found.st_uid)
    return SystemUser(name=name, id=found.st_uid, group_id=found.st_gid)


def can_enter(path: Path, user: SystemUser) -> bool:
    """True when the user can enter a folder: tried, because modes alone do not decide that."""
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
    """Create the user with the machine's own tools; return their output."""
    shell = shutil.which("nologin", path=_PATH) or "/bin/false"
    for command in (
        ("useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/", "--shell", shell, _NAME),
        # BusyBox.
        ("adduser", "-S", "-D", "-H", "-h", "/", "-s", shell, _NAME),
    ):  # fmt: skip
        program = shutil.which(command[0], path=_PATH)
        if program is not None:
            made = subprocess.run(  # noqa: S603
                [program, *command[1:]], stdin=subprocess.DEVNULL, capture_output=True, check=False
            )
            return made.stderr.decode(errors="replace").strip() or "no output"
    return "there is no `useradd`"


@contextmanager
def _alone() -> Generator[None]:
    """One process at a time: a second `useradd` fails while the first one is writing."""
    try:
        lock = os.open(_LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError:
        # A machine with a read-only /run already has its users.
        yield
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
