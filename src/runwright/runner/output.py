"""Takes what the author's code prints and logs, line by line, and sends it to the Worker."""

from __future__ import annotations

import io
import logging
import sys
import threading
import time

from runwright import protocol
from runwright.runner.channel import Send

_MAX_LINE = 65_536
_LEVELS = ((logging.ERROR, "error"), (logging.WARNING, "warning"), (logging.INFO, "info"))


class LineWriter(io.TextIOBase):
    """A text stream that sends every line as a `Log` message."""

    def __init__(self, send: Send, stream: str) -> None:
        self._send = send
        self._stream = stream
        self._rest = ""
        self._lock = threading.RLock()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Return how bytes of it would be read."""
        return "utf-8"

    def writable(self) -> bool:
        """Return that it can be written to."""
        return True

    def fileno(self) -> int:
        """Return the descriptor of the process's own stream."""
        # For those who hand the stream to a subprocess: its lines reach the Worker by the pipe.
        return 1 if self._stream == "stdout" else 2

    def write(self, text: str, /) -> int:
        """Take text; every complete line goes out."""
        with self._lock:
            *lines, self._rest = (self._rest + text).split("\n")
            for line in lines:
                self._emit(line)
            while len(self._rest) > _MAX_LINE:
                self._emit(self._rest[:_MAX_LINE])
                self._rest = self._rest[_MAX_LINE:]
        return len(text)

    def flush_rest(self) -> None:
        """Send what has no line end yet: the Attempt is over."""
        with self._lock:
            if self._rest:
                self._emit(self._rest)
                self._rest = ""

    def _emit(self, line: str) -> None:
        level = "error" if self._stream == "stderr" else "info"
        self._send(
            protocol.Log(at=time.time(), stream=self._stream, level=level, text=line.rstrip("\r"))
        )


class LogHandler(logging.Handler):
    """Sends log records as `Log` messages with their level."""

    def __init__(self, send: Send) -> None:
        super().__init__()
        self._send = send
        self.setFormatter(logging.Formatter("%(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record, each of its lines as one."""
        level = next((name for number, name in _LEVELS if record.levelno >= number), "debug")
        for line in self.format(record).splitlines():
            self._send(protocol.Log(at=record.created, stream="log", level=level, text=line))


def capture(send: Send) -> tuple[LineWriter, LineWriter]:
    """Send all that goes to stdout, stderr and logging from now on."""
    out, err = LineWriter(send, "stdout"), LineWriter(send, "stderr")
    sys.stdout, sys.stderr = out, err
    root = logging.getLogger()
    root.addHandler(LogHandler(send))
    root.setLevel(logging.INFO)
    return out, err
