"""Logs: named events with a context, for people or for machines.

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
"""Of the log, kept for a reader that does not read just now."""

correlation_id: ContextVar[str | None] = ContextVar("correlation_id", default=None)
"""Of the request that is being answered; None outside of one."""


def configure(log_format: str = "console") -> None:
    """Send every log of this process to stderr, one line an event."""
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
                # Without it the renderer shows the values of local variables, secrets among them.
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
    """A text stream that keeps what its reader does not take just now, and never waits for it.

    A pipe that nobody reads, or a terminal that is halted, would else hold up the whole process.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._pending = bytearray()
        self._lost_bytes = 0

    def write(self, text: str) -> None:
        """Write a text, or keep it until the next one is written."""
        data = text.encode(errors="backslashreplace")
        if len(self._pending) + len(data) > _PENDING_BYTES:
            self._lost_bytes += len(data)
        else:
            self._pending += data
        self.flush()

    def flush(self) -> None:
        """Write what can be written at once."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        while self._pending and poll.poll(0):
            try:
                written = os.write(self._descriptor, self._pending[: select.PIPE_BUF])
            except BlockingIOError:
                return
            except OSError:
                # Nobody reads it any more.
                self._pending.clear()
                return
            del self._pending[:written]
        if self._lost_bytes and not self._pending:
            self._pending += (
                f"… {self._lost_bytes} bytes of the log were not read in time …\n".encode()
            )
            self._lost_bytes = 0


def _one_line(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Let nothing that is logged look like another line of the log, or move a terminal's cursor.

    The renderer quotes values of fields that hold spaces or line breaks; other control characters, the event's text
    and a traceback it writes as they are.
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
    """A text that the renderer writes as its `repr`, in which everything prints."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return repr(self._text)


def _escaped(text: str) -> str:
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


@contextmanager
def bound(**context: object) -> Generator[None]:
    """Put fields into every event that the block logs; what is None is left out."""
    known = {name: value for name, value in context.items() if value is not None}
    with structlog.contextvars.bound_contextvars(**known):
        yield


def logger(name: str) -> Any:
    """Return the logger of a module."""
    return structlog.get_logger(name)
