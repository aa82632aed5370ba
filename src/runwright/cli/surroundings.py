"""What a program takes for granted of how it was started, made so where it is not."""

from __future__ import annotations

import io
import os
import signal
import sys

_DESCRIPTORS = 3


def mend() -> None:
    """Open what is closed of the standard streams, let them take any text, and hear of children that end."""
    _open_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # JSON is UTF-8 whatever the locale. What the encoding cannot hold, half a character too, is escaped.
            encoding = None if stream.isatty() else "utf-8"
            # A line is seen at once, through a pipe too.
            stream.reconfigure(encoding=encoding, errors="backslashreplace", line_buffering=True)
    # Who starts us may ignore it, and then no program's exit code can be had.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _open_streams() -> None:
    """Have the first three descriptors be streams: what is opened next would else be taken for one of them."""
    for descriptor in range(_DESCRIPTORS):
        try:
            os.fstat(descriptor)
        except OSError:
            # Children get it too.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003
    sys.stdin = sys.stdin or open(0, encoding="utf-8")  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8")  # noqa: SIM115
