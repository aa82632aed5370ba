"""Whether a Runner is clean: process state that an Attempt may change, compared before and after."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runwright import process_tree

_SIGNALS = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGCHLD,
    signal.SIGALRM,
    signal.SIGUSR1,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """The process state that an Attempt could have changed."""

    environment: dict[str, str]
    directory: str
    path: tuple[str, ...]
    handlers: tuple[Any, ...]
    threads: frozenset[int | None]
    children: frozenset[int]
    umask: int


def snapshot() -> Snapshot:
    """Take a snapshot of this process."""
    mask = os.umask(0)
    os.umask(mask)
    return Snapshot(
        environment=dict(os.environ),
        directory=_directory(),
        path=tuple(sys.path),
        handlers=tuple(signal.getsignal(number) for number in _SIGNALS),
        threads=frozenset(thread.ident for thread in threading.enumerate()),
        children=frozenset(process_tree.children(os.getpid())),
        umask=mask,
    )


def differences(before: Snapshot, after: Snapshot) -> list[str]:
    """What has changed, as sentences."""
    found = {
        "the environment was changed": before.environment != after.environment,
        "the working directory was changed": before.directory != after.directory,
        "`sys.path` was changed": before.path != after.path,
        "a signal handler was changed": before.handlers != after.handlers,
        "a thread is still running": bool(after.threads - before.threads),
        "a child process is still running": bool(after.children - before.children),
        "the umask was changed": before.umask != after.umask,
    }
    return [reason for reason, is_so in found.items() if is_so]


async def end_tasks(ours: set[asyncio.Task[Any]], seconds: float) -> bool:
    """Cancel every task but ours; True when all have ended within the time."""
    stray = asyncio.all_tasks() - ours
    for task in stray:
        task.cancel()
    if stray:
        _, pending = await asyncio.wait(stray, timeout=seconds)
        return not pending
    return True


def memory_bytes() -> int:
    """The resident memory of this process and its descendants."""
    pids = [os.getpid(), *process_tree.descendants(os.getpid())]
    return sum(process_tree.own_bytes(pid) for pid in pids)


def _directory() -> str:
    try:
        return str(Path.cwd())
    except FileNotFoundError:
        return ""
