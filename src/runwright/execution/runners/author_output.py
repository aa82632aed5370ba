"""Reads what an author's process and its children write to stdout and stderr, as log lines.

Both are plain pipes, so output of C libraries and children is treated like any other. A record of Python's
`logging` is written between the printed lines, marked, because it has its own level.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Callable

from runwright import protocol

_CHUNK_BYTES = 65_536
"""The default capacity of a pipe."""
_MAX_LINE_BYTES = 65_536
_MAX_LAST_BYTES = 16 * 1024 * 1024
_BAR_SECONDS = 2.0
_MARK = protocol.LOG_MARK.encode()
_CONTROL_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_LEVEL = re.compile(r"\b(DEBUG|INFO|SUCCESS|NOTICE|WARN(?:ING)?|ERROR|CRITICAL|FATAL)\b")
_LEVEL_WITHIN = 80
_LEVELS = {
    "DEBUG": "debug",
    "INFO": "info",
    "SUCCESS": "info",
    "NOTICE": "info",
    "WARN": "warning",
    "WARNING": "warning",
}

Take = Callable[[protocol.Log, int], None]
"""Takes a line and its size in bytes."""


class AuthorOutput:
    """Reads one of the pipes whenever it has data, and passes on its lines."""

    def __init__(self, descriptor: int, stream: str, take: Take) -> None:
        """Take over the read end of a pipe; `stream` is `stdout` or `stderr`."""
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._stream = stream
        self._take = take
        self._rest = b""
        self._loop = asyncio.get_running_loop()
        self._is_open = True
        self._is_listening = False
        self._bar_shown_at = 0.0

    def listen(self) -> None:
        """Read whenever there is data."""
        if self._is_open and not self._is_listening:
            self._loop.add_reader(self._descriptor, self.read)
            self._is_listening = True

    def pause(self) -> None:
        """Leave data in the pipe, so that the writer blocks once it is full."""
        if self._is_listening:
            self._loop.remove_reader(self._descriptor)
            self._is_listening = False

    def read(self) -> int:
        """Read what is in the pipe now; return the number of bytes."""
        try:
            data = os.read(self._descriptor, _CHUNK_BYTES)
        except BlockingIOError:
            return 0
        if not data:
            self.pause()
            return 0
        *lines, rest = (self._rest + data).split(b"\n")
        carried = b""
        for line in lines:
            carried = self._line(carried + line)
        self._rest = self._shortened(carried + rest)
        return len(data)

    def end_line(self) -> None:
        """Pass on an unfinished line: nothing more will be added to it."""
        rest, self._rest = self._rest, b""
        if rest:
            self._line(rest)

    def close(self) -> None:
        """Pass on what is left in the pipe and close it, even if other processes still hold the other end."""
        if not self._is_open:
            return
        left = _MAX_LAST_BYTES
        while left > 0 and (read := self.read()):
            left -= read
        self.end_line()
        self.pause()
        self._is_open = False
        os.close(self._descriptor)

    def _line(self, line: bytes) -> bytes:
        """Pass on a line; if a record interrupts it, return the part before the record."""
        before, mark, record = line.partition(_MARK)
        if mark and (found := _record(record)) is not None:
            self._take(found, len(record))
            return before
        self._emit(line.rstrip(b"\r"))
        return b""

    def _shortened(self, rest: bytes) -> bytes:
        """The part of an unfinished line to keep, after passing on what exceeds the limit."""
        if b"\r" in rest and _MARK not in rest:
            # Of a progress bar, only the latest state is logged, every now and then.
            rest = b"\r" + _last_state(rest)
            if time.monotonic() - self._bar_shown_at >= _BAR_SECONDS:
                self._bar_shown_at = time.monotonic()
                self._emit(rest)
        while len(rest) > _MAX_LINE_BYTES and not rest.startswith(_MARK):
            self._emit(rest[:_MAX_LINE_BYTES])
            rest = rest[_MAX_LINE_BYTES:]
        return rest

    def _emit(self, line: bytes) -> None:
        is_bar = b"\r" in line
        shown = _last_state(line) if is_bar else line
        text = _CONTROL_SEQUENCE.sub("", shown.decode(errors="replace"))
        level = "info" if is_bar or self._stream == "stdout" else _level(text)
        log = protocol.Log(at=time.time(), stream=self._stream, level=level, text=text)
        self._take(log, len(line))


def _last_state(line: bytes) -> bytes:
    return next((part for part in reversed(line.split(b"\r")) if part.strip()), b"")


def _level(text: str) -> str:
    """The level that a line on stderr names near its beginning; `error` if it names none."""
    named = _LEVEL.search(text, 0, _LEVEL_WITHIN)
    return "error" if named is None else _LEVELS.get(named[1], "error")


def _record(line: bytes) -> protocol.Log | None:
    try:
        message = protocol.decode(line)
    except protocol.ProtocolError:
        return None
    return message if isinstance(message, protocol.Log) and message.stream == "log" else None
