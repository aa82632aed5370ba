"""What memory is left for this process: of the machine, or of the container it is in."""

from __future__ import annotations

from pathlib import Path

import psutil

_CGROUP = Path("/sys/fs/cgroup")


def available_bytes(cgroup: Path = _CGROUP) -> int:
    """Return what can be taken without swapping: the machine's, or less where a container's limit says so."""
    free = psutil.virtual_memory().available
    limited = _left_of_limit(cgroup)
    return free if limited is None else min(free, limited)


def _left_of_limit(cgroup: Path) -> int | None:
    """Return what a cgroup's limit leaves, its page cache counted as free; None: there is no limit."""
    try:
        limit = (cgroup / "memory.max").read_text().strip()
        if limit == "max":
            return None
        used = int((cgroup / "memory.current").read_text())
        lines = (cgroup / "memory.stat").read_text().splitlines()
    except (OSError, ValueError):
        return None
    cache = sum(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))
    return max(int(limit) - used + cache, 0)
