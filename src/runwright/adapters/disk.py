"""What a directory holds of its disk, and what is free there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

_BLOCK_BYTES = 512


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
