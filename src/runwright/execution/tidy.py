"""Removes unpacked Bundles and Environments that nothing on this machine has used for a while."""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from runwright import telemetry

log = telemetry.logger(__name__)

_FOLDERS = ("deployments", "environments")


def sweep(data_dir: Path, *, kept: Iterable[Path], unused_for: timedelta, now: float) -> list[Path]:
    """Remove the folders that are not kept and were last used longer ago; return which.

    `kept` are folders in use, or anything below them. `now` is `time.time()`.
    """
    held = {each for path in kept for each in (path, *path.parents)}
    removed: list[Path] = []
    for name in _FOLDERS:
        parent = data_dir / name
        for folder in parent.iterdir() if parent.is_dir() else ():
            is_old = folder.is_dir() and folder.stat().st_mtime < now - unused_for.total_seconds()
            if is_old and folder not in held and _remove(folder):
                removed.append(folder)
    if removed:
        log.info("unused folders removed", event_name="folders_removed", count=len(removed))
    return removed


def mark_used(folder: Path) -> None:
    """Say that a folder is used now."""
    os.utime(folder)


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
