"""The author's stdout, stderr and `logging`: plain pipes that the Worker reads."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import select
import sys

from runwright import protocol

_LEVELS = ((logging.ERROR, "error"), (logging.WARNING, "warning"), (logging.INFO, "info"))
_MAX_LINE_LENGTH = 32_768
_STDOUT = 1


class LogHandler(logging.Handler):
    """Writes log records between printed lines, marked, so that they keep their level and their place."""

    def __init__(self) -> None:
        super().__init__()
        # The author's code may replace its stdout.
        self._descriptor = os.dup(_STDOUT)
        self.setFormatter(logging.Formatter("%(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, one `Log` per line of it."""
        if _is_printed(record, self):
            return
        level = next((name for number, name in _LEVELS if record.levelno >= number), "debug")
        try:
            text = self.format(record)
        except Exception:  # noqa: BLE001 - a bad format string is the author's, and reported the way Python does
            self.handleError(record)
            return
        for line in text.splitlines():
            log = protocol.Log(
                at=record.created, stream="log", level=level, text=line[:_MAX_LINE_LENGTH]
            )
            self._write(protocol.LOG_MARK.encode() + protocol.encode(log))

    def _write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            while data:
                try:
                    data = data[os.write(self._descriptor, data) :]
                except BlockingIOError:
                    # A child that shares the pipe, such as Node, may have made it non-blocking.
                    select.select([], [self._descriptor], [])


class Output:
    """The streams as the author's code finds them, restored after each Attempt."""

    def __init__(self) -> None:
        self._streams = (sys.stdout, sys.stderr)
        self._handler = LogHandler()
        self._displaced: list[object] = []
        self.restore()

    def restore(self) -> None:
        """Restore the streams and the log handler, whatever an Attempt did to them."""
        for stream in (sys.stdout, sys.stderr):
            if stream not in self._streams:
                # A wrapper closes the underlying stream when it is garbage-collected.
                self._displaced.append(stream)
        sys.stdout, sys.stderr = self._streams
        for stream in self._streams:
            assert isinstance(stream, io.TextIOWrapper)
            # Everything printed is shown: an unencodable character never fails a Run.
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
        root = logging.getLogger()
        root.handlers[:] = [self._handler]
        root.setLevel(logging.INFO)

    def flush(self) -> None:
        """Push everything printed so far into the pipes."""
        for stream in (sys.stdout, sys.stderr, *self._streams):
            # The author's code may have closed it or replaced it with anything.
            with contextlib.suppress(Exception):
                stream.flush()


def _is_printed(record: logging.LogRecord, ours: logging.Handler) -> bool:
    """True when one of the author's handlers prints the record, which would show it twice."""
    logger: logging.Logger | None = logging.getLogger(record.name)
    while logger is not None:
        for handler in logger.handlers:
            if handler is not ours and record.levelno >= handler.level and _prints(handler):
                return True
        logger = logger.parent if logger.propagate else None
    return False


def _prints(handler: logging.Handler) -> bool:
    stream = getattr(handler, "stream", None)
    return stream is not None and stream in (
        sys.stdout,
        sys.stderr,
        sys.__stdout__,
        sys.__stderr__,
    )
