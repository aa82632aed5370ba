"""Server-sent events in bytes that come in pieces. Pure."""

from __future__ import annotations

import re

_LONGEST_BYTES = 8 * 1024 * 1024
_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")


class EventStream:
    """Splits a stream into its events, each with the blank line that ends it."""

    def __init__(self) -> None:
        self._begun = bytearray()

    def feed(self, piece: bytes) -> list[bytes]:
        """Return the events that the piece completes; one that never ends is let go as it is."""
        # An end may have begun in the piece before.
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
        """Return what has come of an event that is not complete."""
        rest = bytes(self._begun)
        self._begun.clear()
        return rest


def data_of(event: bytes) -> bytes:
    """Return the data of an event; empty for a comment."""
    lines = (line for line in event.splitlines() if line.startswith(b"data:"))
    return b"\n".join(line[5:].removeprefix(b" ") for line in lines)
