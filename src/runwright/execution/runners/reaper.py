"""The processes below one on this machine: seen, killed whole, reaped, and dying with their parent.

Playwright starts Chromium in a session of its own, so a process group is not the whole tree. What
belongs to a Runner is found three ways: as descendants, by the mark in its environment, and, because the
Worker is a child subreaper, among the Worker's own children once their parents are gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path

import psutil

from runwright import process_tree, protocol, telemetry

log = telemetry.logger(__name__)

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LIBC: ctypes.CDLL | None = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_KILL_ROUNDS = 50
_KILL_PAUSE_SECONDS = 0.02
_REAP_ROUNDS, _REAP_PAUSE_SECONDS, _QUIET_ROUNDS = 100, 0.1, 2

_zombies_seen: set[int] = set()


def has_proc() -> bool:
    """Return whether processes can be looked after: on Linux there is no way but /proc."""
    return sys.platform != "linux" or Path("/proc/self").exists()


def become_subreaper() -> None:
    """Have orphans below this process become its children, so that it can reap them."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent() -> None:
    """Have this process killed when its parent dies: to be called in a child before it becomes a program."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def tree(pid: int) -> list[int]:
    """Return a process and all below it, for a look: those just being born may be missed."""
    if process_tree.IS_KNOWN:
        return [pid, *process_tree.descendants(pid)]
    return [process.pid for process in processes(pid)]


def processes(pid: int) -> list[psutil.Process]:
    """Return a process and all below it; none if it is gone."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def children(pid: int) -> list[int]:
    """Return the processes right below one; none of one that is gone."""
    if process_tree.IS_KNOWN:
        return process_tree.children(pid)
    with contextlib.suppress(psutil.Error):
        return [process.pid for process in psutil.Process(pid).children()]
    return []


def own_bytes(pid: int) -> int:
    """Return the memory of a process, shared pages left out; none of one that is gone."""
    if process_tree.IS_KNOWN:
        return process_tree.own_bytes(pid)
    try:
        memory = psutil.Process(pid).memory_info()
    except psutil.Error:
        return 0
    return memory.rss - getattr(memory, "shared", 0)


def marked(mark: str) -> list[psutil.Process]:
    """Return the processes that carry a Runner's mark in their environment."""
    wanted = f"{protocol.RUNNER_ID_VARIABLE}={mark}".encode()
    found: list[psutil.Process] = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError, psutil.NoSuchProcess):
            if wanted in entry.read_bytes().split(b"\0"):
                found.append(psutil.Process(int(entry.parent.name)))
    return found


async def kill_tree(pid: int, mark: str) -> set[int]:
    """Kill a process, all below it and all that carries the mark, until none is left; return them."""
    killed: set[int] = set()
    for _ in range(_KILL_ROUNDS):
        alive = [each for each in {*processes(pid), *marked(mark)} if _is_alive(each)]
        if not alive:
            return killed
        killed |= {each.pid for each in alive}
        for each in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        await asyncio.sleep(_KILL_PAUSE_SECONDS)
    log.error("processes of a runner survive being killed", event_name="runner_immortal", pid=pid)
    return killed


def reap(pids: set[int]) -> None:
    """Reap children that are dead; those that are not stay."""
    for pid in pids:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def reap_orphans() -> int:
    """Reap dead children that asyncio does not wait for; return how many."""
    dead = {pid for pid in children(os.getpid()) if _is_zombie(pid)}
    # asyncio's own children are waited for at once; one that stays a zombie is an orphan.
    orphans = dead & _zombies_seen
    reap(orphans)
    _zombies_seen.clear()
    _zombies_seen.update(pid for pid in dead if pid not in orphans or _is_zombie(pid))
    return len(orphans - _zombies_seen)


async def reap_the_rest() -> None:
    """Reap until no dead child is left, once everything is killed.

    One look is not enough: a killed browser is a zombie before its last thread is gone, and cannot be
    reaped until then; on a busy machine that takes a while.
    """
    quiet = 0
    for _ in range(_REAP_ROUNDS):
        reap_orphans()
        quiet = 0 if _zombies_seen else quiet + 1
        if quiet == _QUIET_ROUNDS:
            return
        await asyncio.sleep(_REAP_PAUSE_SECONDS)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _is_zombie(pid: int) -> bool:
    if process_tree.IS_KNOWN:
        return process_tree.is_dead(pid)
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    return False
