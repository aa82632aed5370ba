"""Logs: named events with context, for people or for machines.

An event's name never changes once released; what varies goes into its fields. Parameters, results,
headers and states are never logged: they hold secrets.
"""

from __future__ import annotations

import logging
import os
import select
import sys
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TextIO, cast

import structlog

_PENDING_BYTES = 1024 * 1024
"""Log output kept for a reader that is not reading right now."""

correlation_id: ContextVar[str | None] = ContextVar("correlation_id", default=None)
"""Of the request being answered; None outside of one."""


def configure(log_format: str = "console") -> None:
    """Send all logs of this process to stderr, one line per event."""
    rendering: list[Any] = (
        [structlog.processors.JSONRenderer()]
        if log_format == "json"
        else [_one_line, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    )
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    stream = _Unblocked(sys.stderr.fileno())
    structlog.configure(
        processors=[
            *shared,
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            *rendering,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(file=cast("TextIO", stream)),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                # Without this the renderer shows the values of local variables, secrets included.
                structlog.processors.format_exc_info,
                *rendering,
            ],
            foreign_pre_chain=shared,
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)


class _Unblocked:
    """A text stream that buffers what its reader does not take right now, and never blocks.

    Otherwise a pipe that nobody reads, or a paused terminal, would block the whole process.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._pending = bytearray()
        self._lost_bytes = 0

    def write(self, text: str) -> None:
        """Write text, or buffer it until the next write."""
        data = text.encode(errors="backslashreplace")
        if len(self._pending) + len(data) > _PENDING_BYTES:
            self._lost_bytes += len(data)
        else:
            self._pending += data
        self.flush()

    def flush(self) -> None:
        """Write as much as possible without blocking."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        while self._pending and poll.poll(0):
            try:
                written = os.write(self._descriptor, self._pending[: select.PIPE_BUF])
            except BlockingIOError:
                return
            except OSError:
                # The reader is gone.
                self._pending.clear()
                return
            del self._pending[:written]
        if self._lost_bytes and not self._pending:
            self._pending += (
                f"… {self._lost_bytes} bytes of the log were not read in time …\n".encode()
            )
            self._lost_bytes = 0


def _one_line(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Keep logged text from looking like another line of the log, or from moving a terminal's cursor.

    The renderer quotes field values with spaces or line breaks, but writes other control characters, the event's text
    and tracebacks as they are.
    """
    found = {name: _printable(value) for name, value in event.items()}
    found["event"] = _escaped(str(event.get("event", "")))
    if (traceback := event.get("exception")) is not None:
        found["exception"] = "\n".join(
            f"  | {_escaped(line)}" for line in str(traceback).split("\n")
        )
    return found


def _printable(value: Any) -> Any:
    return _Quoted(value) if isinstance(value, str) and not value.isprintable() else value


class _Quoted:
    """Text that the renderer writes as its `repr`, in which every character is printable."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return repr(self._text)


def _escaped(text: str) -> str:
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


@contextmanager
def bound(**context: object) -> Generator[None]:
    """Add fields to every event logged in the block; None values are left out."""
    known = {name: value for name, value in context.items() if value is not None}
    with structlog.contextvars.bound_contextvars(**known):
        yield


def logger(name: str) -> Any:
    """The structured logger of a module."""
    return structlog.get_logger(name)
