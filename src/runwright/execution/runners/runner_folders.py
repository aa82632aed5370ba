"""A Runner's folder and its temporary one, and sweeping those of dead Workers."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import psutil

from runwright import socket_folders
from runwright.execution.runners import reaper

TEMPORARY = "tmp"
_PROFILE_SOCKET_BYTES = len("playwright_chromiumdev_profile-XXXXXX/SingletonSocket")


def try_temporary() -> None:
    """Check that this machine has a temporary folder for a Runner.

    Raises:
        ConfigError: it has none; says what to do.
    """
    make_temporary().rmdir()


def make_temporary() -> Path:
    """Create a temporary folder whose path leaves room for Chromium's socket."""
    return socket_folders.make("rw-", inside_bytes=_PROFILE_SOCKET_BYTES)


def sweep_leftovers(directory: Path) -> None:
    """Kill what a dead Worker's Runners left running, and remove their folders."""
    for home in directory.iterdir():
        for process in reaper.marked(str(home / "files")):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        remove(home)


def remove(directory: Path) -> None:
    """Remove a Runner's folder, and its temporary one, which is elsewhere."""
    with contextlib.suppress(OSError):
        shutil.rmtree((directory / TEMPORARY).readlink(), ignore_errors=True)
    shutil.rmtree(directory, ignore_errors=True)
