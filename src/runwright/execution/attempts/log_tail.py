"""The end of a log that exceeds the limit: its newest lines, and a marker for those left out."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from runwright.domain.runs import LogLine


@dataclass(frozen=True, kw_only=True, slots=True)
class TailWrite:
    """One write of a log's tail: rows to delete, lines to add, and the marker for those left out."""

    lines: tuple[tuple[LogLine, int], ...]
    """Each with its size in bytes."""
    dropped: tuple[int, ...]
    """Ids of rows to delete because newer ones need the space."""
    marker: LogLine | None
    """Its id is that of the row it replaces; 0: insert it before the lines. None: no line is left out."""


@dataclass(eq=False, slots=True)
class LogTail:
    """The newest lines of a log, up to `max_bytes`, written and pending."""

    max_bytes: int
    attempt: int
    _waiting: deque[tuple[LogLine, int]] = field(default_factory=deque[tuple[LogLine, int]])
    _waiting_bytes: int = 0
    _written: deque[tuple[int, int]] = field(default_factory=deque[tuple[int, int]])
    """Ids and sizes of rows."""
    _written_bytes: int = 0
    _left_out: int = 0
    _left_out_bytes: int = 0
    _marker_id: int = 0
    _dropped: list[int] = field(default_factory=list[int])
    """Rows that still have to be deleted."""

    def add(self, line: LogLine, size: int) -> None:
        """Add a line; the oldest pending lines are dropped if it needs the space."""
        self._waiting.append((line, size))
        self._waiting_bytes += size
        while self._waiting_bytes > self.max_bytes and len(self._waiting) > 1:
            _, gone = self._waiting.popleft()
            self._waiting_bytes -= gone
            self._leave_out(gone)

    def take(self) -> TailWrite | None:
        """Return the next write; None when nothing is pending."""
        if not self._waiting:
            return None
        while self._written and self._written_bytes + self._waiting_bytes > self.max_bytes:
            row_id, size = self._written.popleft()
            self._written_bytes -= size
            self._leave_out(size)
            if self._marker_id:
                self._dropped.append(row_id)
            else:
                # The marker replaces the first dropped row, so it stands where the gap is.
                self._marker_id = row_id
        dropped, self._dropped = tuple(self._dropped), []
        lines, self._waiting = tuple(self._waiting), deque()
        self._waiting_bytes = 0
        marker = self._marker(lines[0][0]) if self._left_out else None
        return TailWrite(lines=lines, dropped=dropped, marker=marker)

    def note_written(self, write: TailWrite, ids: list[int]) -> None:
        """Record the ids assigned to the lines, preceded by the marker's if it was inserted with them."""
        if write.marker is not None and write.marker.id == 0:
            self._marker_id, *ids = ids
        for row_id, (_, size) in zip(ids, write.lines, strict=True):
            self._written.append((row_id, size))
            self._written_bytes += size

    def note_failed(self, write: TailWrite) -> None:
        """Put back a write that failed."""
        self._dropped = [*write.dropped, *self._dropped]
        newer, self._waiting = self._waiting, deque()
        self._waiting_bytes = 0
        for line, size in (*write.lines, *newer):
            self.add(line, size)

    def _leave_out(self, size: int) -> None:
        self._left_out += 1
        self._left_out_bytes += size

    def _marker(self, first: LogLine) -> LogLine:
        text = (
            f"… {self._left_out} lines ({self._left_out_bytes} bytes) are left out here: "
            "of a log this long, only the beginning and the end are kept …"
        )
        return LogLine(
            id=self._marker_id,
            attempt=self.attempt,
            at=first.at,
            stream="platform",
            level="warning",
            text=text,
        )
