"""Process trees on this machine: lists them, kills them whole, reaps them, ties them to their parent's life.

Playwright starts Chromium in its own session, so a process group is not the whole tree. A Runner's
processes are found in three ways: as descendants, by the mark in their environment, and, because the Worker
is a child subreaper, among the Worker's own children once their parents are gone.
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
    """True when processes can be tracked: on Linux, only through /proc."""
    return sys.platform != "linux" or Path("/proc/self").exists()


def become_subreaper() -> None:
    """Make orphaned descendants children of this process, so that it can reap them."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies; call it in a child between fork and exec."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def tree(pid: int) -> list[int]:
    """Ids of a process and its descendants; may miss those just being forked."""
    if process_tree.IS_KNOWN:
        return [pid, *process_tree.descendants(pid)]
    return [process.pid for process in processes(pid)]


def processes(pid: int) -> list[psutil.Process]:
    """A process and its descendants; empty if it is gone."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def children(pid: int) -> list[int]:
    """Ids of a process's direct children; empty if it is gone."""
    if process_tree.IS_KNOWN:
        return process_tree.children(pid)
    with contextlib.suppress(psutil.Error):
        return [process.pid for process in psutil.Process(pid).children()]
    return []


def own_bytes(pid: int) -> int:
    """Memory of a process without shared pages; 0 if it is gone."""
    if process_tree.IS_KNOWN:
        return process_tree.own_bytes(pid)
    try:
        memory = psutil.Process(pid).memory_info()
    except psutil.Error:
        return 0
    return memory.rss - getattr(memory, "shared", 0)


def marked(mark: str) -> list[psutil.Process]:
    """Processes with a Runner's mark in their environment."""
    wanted = f"{protocol.RUNNER_ID_VARIABLE}={mark}".encode()
    found: list[psutil.Process] = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError, psutil.NoSuchProcess):
            if wanted in entry.read_bytes().split(b"\0"):
                found.append(psutil.Process(int(entry.parent.name)))
    return found


async def kill_tree(pid: int, mark: str) -> set[int]:
    """Kill a process, its descendants and all processes with the mark until none is left; return their ids."""
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
    log.error("processes of a runner survived SIGKILL", event_name="runner_immortal", pid=pid)
    return killed


def reap(pids: set[int]) -> None:
    """Reap those children that are dead."""
    for pid in pids:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def reap_orphans() -> int:
    """Reap dead children that asyncio does not wait for; return their number."""
    dead = {pid for pid in children(os.getpid()) if _is_zombie(pid)}
    # asyncio reaps its own children at once; one that stays a zombie is an orphan.
    orphans = dead & _zombies_seen
    reap(orphans)
    _zombies_seen.clear()
    _zombies_seen.update(pid for pid in dead if pid not in orphans or _is_zombie(pid))
    return len(orphans - _zombies_seen)


async def reap_the_rest() -> None:
    """After everything was killed, reap until no dead child is left.

    Once is not enough: a killed browser is a zombie before its last thread is gone, and cannot be reaped
    until then; on a busy machine that takes a while.
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
