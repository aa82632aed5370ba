"""Writes an Attempt's log to the database in small batches while it runs: all of it, or beginning and end."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from runwright import db_errors, telemetry
from runwright.control.base.platform import Platform
from runwright.control.runs import attempts
from runwright.control.runs.claims import Claim
from runwright.domain.runs import LogLine
from runwright.execution.attempts.log_tail import LogTail
from runwright.redaction import Redactor

log = telemetry.logger(__name__)

_FLUSH_SECONDS = 0.15
_TAIL_FLUSH_SECONDS = 1.0
_LOST_SECONDS = 0.5
_MAX_LINE_LENGTH = 32_768
_LINE_OVERHEAD_BYTES = 64


class LogWriter:
    """Takes lines as they arrive; beyond `max_log_bytes`, the first and last halves of that size are kept."""

    def __init__(self, platform: Platform, claim: Claim, redactor: Redactor) -> None:
        self._platform = platform
        self._claim = claim
        self._redactor = redactor
        self._lines: list[LogLine] = []
        self._head_bytes_left = platform.settings.max_log_bytes // 2
        self._tail = LogTail(platform.settings.max_log_bytes // 2, claim.attempt)
        self._flushing: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()

    def add(self, at: datetime, stream: str, level: str, text: str) -> None:
        """Add one line; characters that PostgreSQL cannot store are replaced."""
        if len(text) > _MAX_LINE_LENGTH:
            text = text[:_MAX_LINE_LENGTH] + f"… ({len(text) - _MAX_LINE_LENGTH} characters cut)"
        clean = self._redactor.text(text).replace("\0", "�").encode("utf-8", "replace").decode()
        line = LogLine(
            id=0, attempt=self._claim.attempt, at=at, stream=stream, level=level, text=clean
        )
        size = len(clean) + _LINE_OVERHEAD_BYTES
        if self._head_bytes_left > 0:
            self._head_bytes_left -= size
            self._lines.append(line)
            self._flush_later(_FLUSH_SECONDS)
        else:
            self._tail.add(line, size)
            self._flush_later(_TAIL_FLUSH_SECONDS)

    def say(self, text: str) -> None:
        """Add a line from the platform itself."""
        self.add(datetime.now(UTC), "platform", "info", text)

    def warn(self, text: str) -> None:
        """Add a warning about something the platform could not do."""
        self.add(datetime.now(UTC), "platform", "warning", text)

    def hide(self, secret: str) -> None:
        """Redact a secret from every line from now on."""
        self._redactor.learn(secret)

    async def flush(self) -> None:
        """Write all pending lines; retry later if the database is down or full."""
        async with self._lock:
            try:
                await self._write_head()
                await self._write_tail()
            except Exception as error:
                if not db_errors.is_to_wait_for(error):
                    log.exception(
                        "log lines lost", event_name="log_lost", run_id=self._claim.run_id
                    )
                    return
                self._flushing = asyncio.create_task(self._flush_soon(_LOST_SECONDS))

    async def _write_head(self) -> None:
        lines, self._lines = self._lines, []
        if not lines:
            return
        try:
            await attempts.add_log_lines(self._platform, self._claim, lines)
        except Exception as error:
            if db_errors.is_to_wait_for(error):
                self._lines = lines + self._lines
            raise

    async def _write_tail(self) -> None:
        write = self._tail.take()
        if write is None:
            return
        lines = [line for line, _ in write.lines]
        if write.marker is not None and write.marker.id == 0:
            lines.insert(0, write.marker)
        try:
            ids = await attempts.add_log_tail(
                self._platform, self._claim, lines, write.dropped, write.marker
            )
        except Exception as error:
            if db_errors.is_to_wait_for(error):
                self._tail.note_failed(write)
            raise
        self._tail.note_written(write, ids)

    def _flush_later(self, seconds: float) -> None:
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush_soon(seconds))

    async def _flush_soon(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.flush()
