"""Admission: below a limit of free disk or memory nothing new begins, before anything breaks."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from runwright.adapters import disk, memory
from runwright.config import Settings
from runwright.errors import Unavailable
from runwright.storage.postgres import cluster_homes


class Shortage(StrEnum):
    """A resource that is short."""

    DISK = "disk"
    MEMORY = "memory"


def shortages(settings: Settings) -> list[Shortage]:
    """The resources that are short on this machine; an Attempt may begin when there are none."""
    found: list[Shortage] = []
    if is_disk_short(settings):
        found.append(Shortage.DISK)
    if settings.min_memory_bytes and memory.available_bytes() < settings.min_memory_bytes:
        found.append(Shortage.MEMORY)
    return found


def is_disk_short(settings: Settings) -> bool:
    """True when the disk of the data directory, or of the embedded database, has too little free space."""
    if not settings.min_free_bytes:
        return False
    try:
        return any(disk.free_bytes(each) < settings.min_free_bytes for each in _disks(settings))
    except OSError:
        return True


def _disks(settings: Settings) -> Iterator[Path]:
    yield settings.data_dir
    home = None if settings.database_url else cluster_homes.home(settings.data_dir / "postgresql")
    if home is not None:
        yield home


def check_disk(settings: Settings) -> None:
    """Reject work that needs disk space.

    Raises:
        Unavailable: the disk is nearly full.
    """
    if is_disk_short(settings):
        raise Unavailable(
            "The server's disk is nearly full, so no new work is accepted: its operator must free space "
            "(`RUNWRIGHT_MIN_FREE_BYTES` is the limit)."
        )
