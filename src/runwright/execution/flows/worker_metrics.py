"""A Worker's own metrics, published through the database because it serves no HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Collection, Iterable

import psutil

from runwright.adapters import memory as memory_left
from runwright.control.base.admission import Shortage
from runwright.execution.runners import reaper
from runwright.execution.runners.pool import Pool

_BROWSER = ("chrom", "headless_shell")
_NO_BROWSER = "crashpad"


async def measure(pool: Pool, *, attempts: int, short: Collection[Shortage]) -> dict[str, float]:
    """Measure this process and its Runners."""
    stages = pool.stages()
    memory, runner_memory, browsers = await asyncio.to_thread(_measure_trees, pool.pids())
    return {
        "attempts": attempts,
        **{f"runners_{stage}": count for stage, count in stages.items()},
        "browsers": browsers,
        "memory_bytes": memory,
        "runner_memory_bytes": runner_memory,
        "available_memory_bytes": memory_left.available_bytes(),
        **{f"short_of_{each.value}": float(each in short) for each in Shortage},
        "open_files": _open_files(),
    }


def _measure_trees(runners: Iterable[int]) -> tuple[int, int, int]:
    """Memory of this process, memory of the Runners' process trees, and the number of browsers in them."""
    memory, browsers = 0, 0
    pending = [(pid, False) for pid in runners]
    while pending:
        pid, is_in_browser = pending.pop()
        memory += reaper.own_bytes(pid)
        for child in reaper.children(pid):
            # A browser may be started by a script of the same name, which stays its parent.
            is_new = not is_in_browser and _is_browser(child)
            browsers += is_new
            pending.append((child, is_in_browser or is_new))
    return reaper.own_bytes(os.getpid()), memory, browsers


def _is_browser(pid: int) -> bool:
    """True for a browser's main process, not for its helpers."""
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        name = process.name()
        if name.startswith(_BROWSER) and _NO_BROWSER not in name:
            return not any(word.startswith("--type=") for word in process.cmdline())
    return False


def _open_files() -> int:
    try:
        return psutil.Process().num_fds()
    except (psutil.Error, AttributeError):
        return 0
