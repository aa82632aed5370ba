"""The last picture of an Attempt's browser, from its trace."""

from __future__ import annotations

import asyncio
import json
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runwright.control.base.platform import Platform
from runwright.domain.runs import RunFile
from runwright.errors import NotFound

_MAX_TRACE_BYTES = 128 * 1024 * 1024
_MAX_PICTURE_BYTES = 8 * 1024 * 1024
_FRAME = '"screencast-frame"'


async def get(platform: Platform, trace: RunFile) -> bytes:
    """The picture as JPEG bytes.

    Raises:
        NotFound: the trace holds no picture, has been removed, or is too large to read.
    """
    if trace.size_bytes > _MAX_TRACE_BYTES:
        raise NotFound("The trace is too large to read.")
    with tempfile.TemporaryDirectory(dir=platform.settings.data_dir) as directory:
        file = Path(directory) / "trace.zip"
        await platform.blobs.fetch(trace.blob, file)
        return await asyncio.to_thread(_last, file)


def _last(file: Path) -> bytes:
    try:
        with zipfile.ZipFile(file) as archive:
            name = _newest(archive)
            if archive.getinfo(name).file_size > _MAX_PICTURE_BYTES:
                raise NotFound("The last picture is too large.")
            return archive.read(name)
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise NotFound("The trace holds no picture.") from error


def _newest(archive: zipfile.ZipFile) -> str:
    frames = [
        (float(frame["timestamp"]), _place(frame))
        for name in archive.namelist()
        if name.endswith(".trace")
        for frame in _frames(archive, name)
    ]
    return max(frames)[1]


def _place(frame: dict[str, Any]) -> str:
    """The path of a frame in the archive; Playwright has changed the field's name over time."""
    return frame.get("file") or f"resources/{frame['sha1']}"


def _frames(archive: zipfile.ZipFile, name: str) -> Iterator[dict[str, Any]]:
    with archive.open(name) as lines:
        for line in lines:
            text = line.decode("utf-8", "replace")
            if _FRAME in text[:200]:
                yield json.loads(text)
