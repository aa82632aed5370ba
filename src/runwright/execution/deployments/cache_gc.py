"""Removes unpacked Bundles and Environments that nothing on this machine has used for a while."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sys
import uuid
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path

from runwright import telemetry
from runwright.adapters import disk

log = telemetry.logger(__name__)

_FOLDERS = ("deployments", "environments")
_UNFINISHED = (".building", ".removing")
_LEFTOVERS = (
    "upload-*",
    "deployments/*.tar.gz",
    "deployments/*.building",
    "deployments/*.removing",
    "environments/*.removing",
    "author-side/*.building",
    "unsent/*",
    # Blobs whose writing was cut off.
    "blobs/**/*#[0-9]*",
)
_LEFTOVER_LIFE = timedelta(days=1)


def sweep(
    data_dir: Path,
    *,
    kept: Iterable[Path],
    unused_for: timedelta,
    now: float,
    enough_bytes: int | None = None,
) -> list[Path]:
    """Remove the folders that are not kept and were last used longer ago, oldest first; return which.

    `kept` are folders in use, or anything below them. `now` is `time.time()`. With `enough_bytes` no more
    goes than is needed to free so many.
    """
    held = {each for path in kept for each in (path, *path.parents)}
    removed: list[Path] = []
    freed = 0
    for used_at, folder in sorted(_folders(data_dir)):
        if used_at >= now - unused_for.total_seconds() or freed >= (enough_bytes or sys.maxsize):
            break
        if folder in held:
            continue
        size = 0 if enough_bytes is None else disk.used_bytes(folder)
        if _remove(folder):
            removed.append(folder)
            freed += size
    if removed:
        log.info("unused folders removed", event_name="folders_removed", count=len(removed))
    return removed


def sweep_leftovers(data_dir: Path, *, now: float) -> list[Path]:
    """Remove what a process that died in the middle left half made a day ago or earlier; return what."""
    removed: list[Path] = []
    for pattern in _LEFTOVERS:
        for path in data_dir.glob(pattern):
            with contextlib.suppress(OSError):
                if path.lstat().st_mtime < now - _LEFTOVER_LIFE.total_seconds():
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
                    removed.append(path)
    if removed:
        log.info("leftovers removed", event_name="leftovers_removed", count=len(removed))
    return removed


def mark_used(folder: Path) -> None:
    """Say that a folder is used now."""
    os.utime(folder)


def _folders(data_dir: Path) -> Iterator[tuple[float, Path]]:
    for name in _FOLDERS:
        parent = data_dir / name
        for folder in parent.iterdir() if parent.is_dir() else ():
            with contextlib.suppress(OSError):
                if folder.is_dir() and folder.suffix not in _UNFINISHED:
                    yield folder.stat().st_mtime, folder


def _remove(folder: Path) -> bool:
    """Remove a folder whole, unless it is just being built; a half removed one is never found."""
    lock = os.open(folder.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        doomed = folder.with_name(f"{folder.name}.{uuid.uuid4().hex}.removing")
        folder.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True
