"""Files of Attempts that the blob store did not accept: spooled on this machine and uploaded later.

Each is in its own folder beside a note that describes it, so that the next Worker on this data directory
uploads what an earlier one left.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import shutil
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg

from runwright import telemetry
from runwright.control.base.platform import Platform
from runwright.control.runs import attempts
from runwright.domain.ids import RunId
from runwright.domain.runs import RunFile
from runwright.errors import BlobsAway

log = telemetry.logger(__name__)

_FILE, _NOTE = "file", "note.json"
_LIFE = timedelta(days=1)
"""A file that could not be uploaded for this long is given up."""


def is_pending(platform: Platform) -> bool:
    """True while files wait to be uploaded; new ones should queue up behind them."""
    return any(_directory(platform).glob(f"*/{_NOTE}"))


async def keep(platform: Platform, run_id: RunId, file: RunFile, path: Path) -> None:
    """Move the file into the spool."""
    await asyncio.to_thread(_keep, _directory(platform), run_id, file, path)


async def send(platform: Platform) -> None:
    """Upload spooled files, oldest first, until the blob store fails."""
    for folder in await asyncio.to_thread(_waiting, _directory(platform)):
        try:
            await _send(platform, folder)
        except BlobsAway:
            return
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def _send(platform: Platform, folder: Path) -> None:
    run_id, file = await asyncio.to_thread(_read, folder)
    if file.created_at < datetime.now(UTC) - _LIFE:
        log.error("file not kept", event_name="file_not_kept", run_id=run_id)
        return
    await platform.blobs.put_file(file.blob, folder / _FILE)
    try:
        await attempts.add_file_of(platform, run_id, file)
    except asyncpg.ForeignKeyViolationError:
        # Its Run has been pruned, and a blob without a row is pruned too.
        return
    log.info("file uploaded late", event_name="file_sent", run_id=run_id)


def _directory(platform: Platform) -> Path:
    return platform.settings.data_dir / "unsent"


def _keep(directory: Path, run_id: RunId, file: RunFile, path: Path) -> None:
    folder = directory / uuid.uuid4().hex
    folder.mkdir(parents=True, mode=0o700)
    try:
        shutil.move(path, folder / _FILE)
        note = {**dataclasses.asdict(file), "created_at": file.created_at.isoformat()}
        (folder / _NOTE).write_text(json.dumps({"run_id": run_id, "file": note}))
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _waiting(directory: Path) -> list[Path]:
    """The complete entries, oldest first."""
    notes = [(note.stat().st_mtime, note.parent) for note in directory.glob(f"*/{_NOTE}")]
    return [folder for _, folder in sorted(notes)]


def _read(folder: Path) -> tuple[RunId, RunFile]:
    note = json.loads((folder / _NOTE).read_text())
    fields: dict[str, Any] = note["file"]
    fields["created_at"] = datetime.fromisoformat(fields["created_at"])
    return RunId(note["run_id"]), RunFile(**fields)
