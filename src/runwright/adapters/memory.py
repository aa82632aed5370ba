"""Memory available to this process, on the machine or within its container's limit."""

from __future__ import annotations

from pathlib import Path

import psutil

_CGROUP = Path("/sys/fs/cgroup")


def available_bytes(cgroup: Path = _CGROUP) -> int:
    """Memory available without swapping: the machine's, or less if a container's limit says so."""
    free = psutil.virtual_memory().available
    limited = _left_of_limit(cgroup)
    return free if limited is None else min(free, limited)


def _left_of_limit(cgroup: Path) -> int | None:
    """What remains of a cgroup's limit, with page cache counted as free; None without a limit."""
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
