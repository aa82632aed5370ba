"""Writes an Attempt's log lines to the database in small batches while it runs, bounded."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from runwright import telemetry
from runwright.control import attempts
from runwright.control.claims import Claim
from runwright.control.platform import Platform
from runwright.domain.runs import LogLine
from runwright.redaction import Redactor
from runwright.storage import database

log = telemetry.logger(__name__)

_FLUSH_SECONDS = 0.15
_LOST_SECONDS = 0.5
_MAX_LINE_LENGTH = 32_768
_LINE_OVERHEAD_BYTES = 64


class LogWriter:
    """Takes lines as they come and keeps up to `max_log_bytes` of them, then a marker."""

    def __init__(self, platform: Platform, claim: Claim, redactor: Redactor) -> None:
        self._platform = platform
        self._claim = claim
        self._redactor = redactor
        self._lines: list[LogLine] = []
        self._bytes_left = platform.settings.max_log_bytes
        self._flushing: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()

    def add(self, at: datetime, stream: str, level: str, text: str) -> None:
        """Take one line; what PostgreSQL cannot hold in it is replaced."""
        if self._bytes_left <= 0:
            return
        if len(text) > _MAX_LINE_LENGTH:
            text = text[:_MAX_LINE_LENGTH] + f"… ({len(text) - _MAX_LINE_LENGTH} characters cut)"
        clean = self._redactor.text(text).replace("\0", "�").encode("utf-8", "replace").decode()
        self._bytes_left -= len(clean) + _LINE_OVERHEAD_BYTES
        self._append(at, stream, level, clean)
        if self._bytes_left <= 0:
            limit = self._platform.settings.max_log_bytes
            self._append(at, "platform", "warning", f"the log is cut here: more than {limit} bytes")

    def say(self, text: str) -> None:
        """Tell something of the platform's own, within the bound of the author's lines."""
        self.add(datetime.now(UTC), "platform", "info", text)

    def add_own(self, text: str) -> None:
        """Add a line of the platform's own, which no bound cuts."""
        self._append(datetime.now(UTC), "platform", "warning", self._redactor.text(text))

    def hide(self, secret: str) -> None:
        """Take a text out of every line from now on."""
        self._redactor.learn(secret)

    async def flush(self) -> None:
        """Write what is there; where the database is away or full, as soon as it is not."""
        async with self._lock:
            lines, self._lines = self._lines, []
            if not lines:
                return
            try:
                await attempts.add_log_lines(self._platform, self._claim, lines)
            except Exception as error:
                if not database.is_to_wait_for(error):
                    log.exception(
                        "log lines lost", event_name="log_lost", run_id=self._claim.run_id
                    )
                    return
                self._lines = lines + self._lines
                self._flushing = asyncio.create_task(self._flush_soon(_LOST_SECONDS))

    def _append(self, at: datetime, stream: str, level: str, text: str) -> None:
        self._lines.append(
            LogLine(id=0, attempt=self._claim.attempt, at=at, stream=stream, level=level, text=text)
        )
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush_soon())

    async def _flush_soon(self, seconds: float = _FLUSH_SECONDS) -> None:
        await asyncio.sleep(seconds)
        await self.flush()
