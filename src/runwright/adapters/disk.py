"""A directory and its disk: whether it can be used, what it holds, what is free there."""

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
    """Make the data directory, unless it is there, and see that it can be written.

    Raises:
        ConfigError: it cannot be used; says why.
    """
    reason = _unfit(str(directory)) or _why_not_writable(directory, mode)
    if reason is not None:
        raise ConfigError(
            f"{directory} cannot be the data directory: {reason}. "
            "Choose another with `--data-dir` or `RUNWRIGHT_DATA_DIR`."
        )
    if not _is_ours(directory / "connection.json"):
        raise ConfigError(
            f"Another user, as root may be, has served from {directory} since: `chown -R {os.geteuid()} {directory}`."
        )


def _why_not_writable(directory: Path, mode: int) -> str | None:
    try:
        if not directory.is_dir():
            directory.mkdir(parents=True)
            # Also where a strict umask is set. One that was there is left as it is.
            directory.chmod(mode)
        with tempfile.TemporaryFile(dir=directory):
            return None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        return error.strerror


def _is_ours(file: Path) -> bool:
    """Return whether a file can be used by us: root can use any."""
    return os.geteuid() == 0 or not file.exists() or file.stat().st_uid == os.geteuid()


def _unfit(path: str) -> str | None:
    if ":" in path:
        return "its path has a `:`, which lists of paths, as programs are given, cannot hold"
    try:
        path.encode()
    except UnicodeEncodeError:
        return "its path is not UTF-8"
    return None


def close_folders(directory: Path) -> None:
    """Close to other users what earlier versions left open of the folders that are ours in a data directory."""
    for name in _FOLDERS:
        folder = directory / name
        if folder.is_dir() and not folder.is_symlink() and folder.stat().st_mode & 0o077:
            folder.chmod(0o700)


def runs_programs(directory: Path) -> bool:
    """Return whether programs can be run from a directory's file system: one mounted `noexec` runs none."""
    return not os.statvfs(directory).f_flag & getattr(os, "ST_NOEXEC", 0)


def used_bytes(directory: Path) -> int:
    """Return what the directory's files take of the disk; what goes away meanwhile counts nothing."""
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
    """Return what we may still write on the directory's disk."""
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
