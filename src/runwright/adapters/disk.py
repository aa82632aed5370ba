"""A directory and its disk: whether it is usable, how much it holds, how much is free."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from runwright.errors import ConfigError

_BLOCK_BYTES = 512
_FOLDERS = ("author-side", "blobs", "deployments", "environments", "runners", "unsent")


def make_data_directory(directory: Path, *, mode: int) -> None:
    """Create the data directory if it is missing, and check that it is writable.

    Raises:
        ConfigError: it is unusable; the message says why.
    """
    reason = _unfit(str(directory)) or _why_not_writable(directory, mode)
    if reason is not None:
        raise ConfigError(
            f"{directory} cannot be the data directory: {reason}. "
            "Choose another with `--data-dir` or `RUNWRIGHT_DATA_DIR`."
        )
    if not _is_ours(directory / "connection.json"):
        raise ConfigError(
            f"Another user, perhaps root, has served from {directory}: run `chown -R {os.geteuid()} {directory}`."
        )


def _why_not_writable(directory: Path, mode: int) -> str | None:
    try:
        if not directory.is_dir():
            directory.mkdir(parents=True)
            # Overrides a strict umask. An existing directory keeps its mode.
            directory.chmod(mode)
        with tempfile.TemporaryFile(dir=directory):
            return None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        return error.strerror


def _is_ours(file: Path) -> bool:
    """True when we can use the file: root can use any."""
    return os.geteuid() == 0 or not file.exists() or file.stat().st_uid == os.geteuid()


def _unfit(path: str) -> str | None:
    if ":" in path:
        return "its path contains a `:`, which separates entries in path lists such as PATH"
    try:
        path.encode()
    except UnicodeEncodeError:
        return "its path is not UTF-8"
    return None


def close_folders(directory: Path) -> None:
    """Revoke other users' access to our folders in a data directory, which earlier versions left open."""
    for name in _FOLDERS:
        folder = directory / name
        if folder.is_dir() and not folder.is_symlink() and folder.stat().st_mode & 0o077:
            folder.chmod(0o700)


def runs_programs(directory: Path) -> bool:
    """True when programs can be run from a directory: not when it is mounted `noexec`."""
    return not os.statvfs(directory).f_flag & getattr(os, "ST_NOEXEC", 0)


def used_bytes(directory: Path) -> int:
    """Disk space taken by the directory's files, hard links counted once; vanishing files are ignored."""
    seen: set[tuple[int, int]] = set()
    total = 0
    for entry in _files(directory):
        try:
            found = entry.stat(follow_symlinks=False)
        except OSError:
            continue
        if found.st_nlink > 1:
            if (found.st_dev, found.st_ino) in seen:
                continue
            seen.add((found.st_dev, found.st_ino))
        total += found.st_blocks * _BLOCK_BYTES
    return total


def free_bytes(directory: Path) -> int:
    """Bytes that we can still write on the directory's disk."""
    return shutil.disk_usage(directory).free


def _files(directory: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from _files(Path(entry.path))
                else:
                    yield entry
    except OSError:
        return
