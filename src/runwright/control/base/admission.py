"""Whether there is room: below a line of free disk or memory nothing new is begun, before anything breaks."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from runwright.adapters import disk, memory
from runwright.config import Settings
from runwright.errors import Unavailable
from runwright.storage.postgres import cluster_homes


class Shortage(StrEnum):
    """What is short."""

    DISK = "disk"
    MEMORY = "memory"


def shortages(settings: Settings) -> list[Shortage]:
    """Return what is short on this machine; nothing means that an Attempt may begin."""
    found: list[Shortage] = []
    if is_disk_short(settings):
        found.append(Shortage.DISK)
    if settings.min_memory_bytes and memory.available_bytes() < settings.min_memory_bytes:
        found.append(Shortage.MEMORY)
    return found


def is_disk_short(settings: Settings) -> bool:
    """Return whether less is free than must be on the data directory's disk, or an embedded database's."""
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
    """Refuse what would take room.

    Raises:
        Unavailable: the disk is nearly full.
    """
    if is_disk_short(settings):
        raise Unavailable(
            "The server's disk is nearly full, so nothing new is taken: its operator must make room "
            "(`RUNWRIGHT_MIN_FREE_BYTES` is the line)."
        )
