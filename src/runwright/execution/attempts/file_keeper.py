"""Stores the files of an Attempt: downloads, traces, HARs, screenshots."""

from __future__ import annotations

import asyncio
import stat
import uuid
from datetime import UTC, datetime
from pathlib import Path

from runwright import protocol, telemetry
from runwright.control.base import admission
from runwright.control.base.platform import Platform
from runwright.control.runs import attempts
from runwright.control.runs.claims import Claim
from runwright.db_retry import patiently
from runwright.domain.runs import RunFile
from runwright.errors import BlobsAway
from runwright.execution.attempts import upload_spool
from runwright.execution.attempts.log_writer import LogWriter

log = telemetry.logger(__name__)

_PATIENCE_SECONDS = 5.0
_SETTLE_SECONDS = 0.5


class FileKeeper:
    """Moves the files of one Attempt into the blob store."""

    def __init__(self, platform: Platform, claim: Claim, run_log: LogWriter) -> None:
        self._platform = platform
        self._claim = claim
        self._settings = platform.settings
        self._log = run_log
        self._keeping: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()
        """Serializes storing, so that files are listed in the order they were reported."""

    def keep_soon(self, directory: Path, event: protocol.File) -> None:
        """Move a file into the blob store in the background."""
        task = asyncio.create_task(self._keep_in_turn(directory, event))
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)

    async def settle(self) -> None:
        """Wait briefly for files being stored, so that they are usually there along with the outcome."""
        if self._keeping:
            await asyncio.wait(self._keeping, timeout=_SETTLE_SECONDS)

    async def finish(self) -> None:
        """Wait for all files being stored."""
        if self._keeping:
            await asyncio.wait(self._keeping)

    async def _keep_in_turn(self, directory: Path, event: protocol.File) -> None:
        async with self._turn:
            await self._keep(directory, event)

    async def _keep(self, directory: Path, event: protocol.File) -> None:
        """Move a file into the blob store; if that fails, say so in the Run's log."""
        path = Path(event.path)
        if not await asyncio.to_thread(_is_below, path, directory):
            self._log.warn(f"the {event.kind} is outside the files directory and was not kept")
            return
        claim = self._claim
        try:
            size = (await asyncio.to_thread(path.stat)).st_size
            if event.kind in ("trace", "har") and size > self._settings.max_trace_bytes:
                self._log.warn(
                    f"the {event.kind} has {size} bytes, more than allowed, and was not kept"
                )
                return
            file = RunFile(
                id=0,
                attempt=claim.attempt,
                kind=event.kind,
                name=event.name[:255].replace("\0", ""),
                size_bytes=size,
                blob=f"runs/{claim.run_id}/{claim.attempt}/{uuid.uuid4().hex}",
                created_at=datetime.now(UTC),
            )
            await self._store(file, path)
        except Exception as error:
            # A file that cannot be stored never fails a Run.
            log.exception("file not kept", event_name="file_not_kept", run_id=claim.run_id)
            self._log.warn(f"the {event.kind} `{event.name}` could not be kept: {error}")
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)

    async def _store(self, file: RunFile, path: Path) -> None:
        """Store the file, or spool it for later upload: a slow or unavailable blob store must not block a Runner."""
        claim = self._claim
        if await self._is_taken(file, path):
            await patiently(lambda: attempts.add_file(self._platform, claim, file))
            return
        admission.check_disk(self._settings)
        await upload_spool.keep(self._platform, claim.run_id, file, path)
        self._log.warn(
            f"the {file.kind} `{file.name}` will be stored once the blob store is available again"
        )

    async def _is_taken(self, file: RunFile, path: Path) -> bool:
        if await asyncio.to_thread(upload_spool.is_pending, self._platform):
            return False
        try:
            await self._platform.blobs.put_file(file.blob, path, patience_seconds=_PATIENCE_SECONDS)
        except BlobsAway:
            return False
        return True


def _is_below(path: Path, directory: Path) -> bool:
    """True for a regular file in the directory; False for a link to one elsewhere."""
    try:
        is_plain = stat.S_ISREG(path.lstat().st_mode)
        return is_plain and path.resolve().is_relative_to(directory.resolve())
    except (OSError, ValueError):
        return False
