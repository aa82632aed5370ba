"""The descendants of a process, from the kernel's own lists: scanning all of /proc takes a hundred times as long.

Standard library only, because Runners use it too.
"""

from __future__ import annotations

import os
import sys

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
IS_KNOWN = sys.platform == "linux" and os.path.exists(
    f"/proc/{os.getpid()}/task/{os.getpid()}/children"
)
"""Whether the kernel has such lists; where it does not, no process appears to have children."""


def children(pid: int) -> list[int]:
    """The pids of a process's direct children, including zombies."""
    found: list[int] = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as file:
                found += [int(child) for child in file.read().split()]
    except OSError:
        # The process, or one of its threads, has just ended.
        return found
    return found


def descendants(pid: int) -> list[int]:
    """The pids of all descendants of a process, parents before children."""
    found: list[int] = []
    for child in children(pid):
        found += [child, *descendants(child)]
    return found


def is_dead(pid: int) -> bool:
    """True when a process has ended and waits to be reaped."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            # The process name is in parentheses, and may contain some itself.
            return file.read().rpartition(") ")[2].startswith("Z")
    except OSError:
        return False


def own_bytes(pid: int) -> int:
    """The resident memory of a process, shared pages excluded; 0 once it is gone."""
    try:
        with open(f"/proc/{pid}/statm") as file:
            fields = file.read().split()
    except OSError:
        return 0
    # There is no telling which process to charge for shared pages, so they are charged to none.
    return (int(fields[1]) - int(fields[2])) * _PAGE_BYTES
