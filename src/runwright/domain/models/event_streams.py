"""Splits chunks of bytes into server-sent events. Pure."""

from __future__ import annotations

import re

_LONGEST_BYTES = 8 * 1024 * 1024
_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")


class EventStream:
    """Splits a stream into events, each including the blank line that ends it."""

    def __init__(self) -> None:
        self._begun = bytearray()

    def feed(self, piece: bytes) -> list[bytes]:
        """Add a chunk and return the events it completes; one that grows too long is returned incomplete."""
        # The end marker may have started in the previous chunk.
        searched = max(len(self._begun) - 3, 0)
        self._begun += piece
        found: list[bytes] = []
        start = 0
        while (end := _END.search(self._begun, searched)) is not None:
            found.append(bytes(self._begun[start : end.end()]))
            start = searched = end.end()
        del self._begun[:start]
        if len(self._begun) > _LONGEST_BYTES:
            found.append(self.rest())
        return found

    def rest(self) -> bytes:
        """Return and clear the incomplete event received so far."""
        rest = bytes(self._begun)
        self._begun.clear()
        return rest


def data_of(event: bytes) -> bytes:
    """The data of an event; empty for a comment."""
    lines = (line for line in event.splitlines() if line.startswith(b"data:"))
    return b"\n".join(line[5:].removeprefix(b" ") for line in lines)
