"""The processes below one, from the kernel's own lists: looking through all of /proc takes a hundred times as long.

Standard library only, because Runners use it too.
"""

from __future__ import annotations

import os
import sys

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
IS_KNOWN = sys.platform == "linux" and os.path.exists(
    f"/proc/{os.getpid()}/task/{os.getpid()}/children"
)
"""Whether the kernel has such lists; where it has none, nobody has children here."""


def children(pid: int) -> list[int]:
    """Return the process ids right below one, dead ones that nobody has reaped too."""
    found: list[int] = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as file:
                found += [int(child) for child in file.read().split()]
    except OSError:
        # It, or a thread of it, has just ended.
        return found
    return found


def descendants(pid: int) -> list[int]:
    """Return the process ids below one, parents before children."""
    found: list[int] = []
    for child in children(pid):
        found += [child, *descendants(child)]
    return found


def is_dead(pid: int) -> bool:
    """Return whether a process has ended and waits to be reaped."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            # Its name is in brackets, and may hold some itself.
            return file.read().rpartition(") ")[2].startswith("Z")
    except OSError:
        return False


def own_bytes(pid: int) -> int:
    """Return the resident memory of a process, shared pages left out; none of one that is gone."""
    try:
        with open(f"/proc/{pid}/statm") as file:
            fields = file.read().split()
    except OSError:
        return 0
    # Shared pages are counted once: in whoever maps them last we cannot know, so in nobody.
    return (int(fields[1]) - int(fields[2])) * _PAGE_BYTES
