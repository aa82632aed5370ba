"""A virtual display for a headed browser on a machine without a real one."""

from __future__ import annotations

import os
import subprocess

from runwright import protocol

_DEPTH = 24


def ensure(settings: protocol.Browser) -> None:
    """Start Xvfb for a headed browser without a display; it dies with this process's tree.

    Raises:
        OSError: Xvfb is not installed, or does not start.
    """
    if settings.headless or os.environ.get("DISPLAY"):
        return
    read, write = os.pipe()
    size = f"{settings.window_width}x{settings.window_height}x{_DEPTH}"
    try:
        subprocess.Popen(
            ["Xvfb", "-displayfd", str(write), "-screen", "0", size, "-nolisten", "tcp"],
            pass_fds=(write,),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    finally:
        os.close(write)
    with os.fdopen(read) as told:
        number = told.readline().strip()
    if not number:
        raise OSError("Xvfb did not start")
    os.environ["DISPLAY"] = f":{number}"
