"""Repairs process state that programs take for granted but that whoever started us may have changed."""

from __future__ import annotations

import io
import os
import signal
import sys

_DESCRIPTORS = 3


def mend() -> None:
    """Open closed standard streams, make them accept any text, and restore SIGCHLD."""
    _open_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # JSON is UTF-8 whatever the locale. Unencodable characters, lone surrogates included, are escaped.
            encoding = None if stream.isatty() else "utf-8"
            # Lines appear immediately, even through a pipe.
            stream.reconfigure(encoding=encoding, errors="backslashreplace", line_buffering=True)
    # If our parent ignored it, the exit codes of our children would be lost.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _open_streams() -> None:
    """Make the first three descriptors streams: the next file opened would otherwise take the place of one."""
    for descriptor in range(_DESCRIPTORS):
        try:
            os.fstat(descriptor)
        except OSError:
            # Children inherit it.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003
    sys.stdin = sys.stdin or open(0, encoding="utf-8")  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8")  # noqa: SIM115
