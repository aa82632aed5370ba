"""Garbage collection of unpacked Bundles and Environments that this machine has not used for a while."""

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
    # Partially written blobs.
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
    """Remove folders not used for at least `unused_for`, least recently used first; return them.

    `kept` are folders in use, or paths below them. `now` is `time.time()`. With `enough_bytes`, stop once
    that much has been freed.
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
    """Remove unfinished files and folders of dead processes that are over a day old; return their paths."""
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
    """Record that a folder is being used now."""
    os.utime(folder)


def _folders(data_dir: Path) -> Iterator[tuple[float, Path]]:
    for name in _FOLDERS:
        parent = data_dir / name
        for folder in parent.iterdir() if parent.is_dir() else ():
            with contextlib.suppress(OSError):
                if folder.is_dir() and folder.suffix not in _UNFINISHED:
                    yield folder.stat().st_mtime, folder


def _remove(folder: Path) -> bool:
    """Remove a folder, unless it is being built; renaming it first hides it while it is half removed."""
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
