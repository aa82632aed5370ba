"""Files that are kept with the Run."""

from __future__ import annotations

import asyncio
import os
import shutil
import uuid
from pathlib import Path

from playwright.async_api import Download

from runwright.sdk.context import current


async def save_file(source: bytes | str | Path | Download, name: str | None = None) -> str:
    """Keep a file with the Run, where callers get a link to it; return its name.

    `source` is the contents as bytes, a path, or one of the page's downloads.

    Raises:
        ValueError: bytes were given without a name.
        OSError: the path cannot be read.
    """
    context = current()
    target = Path(context.files_directory) / uuid.uuid4().hex
    if isinstance(source, bytes):
        if not name:
            raise ValueError("save_file: bytes need a name")
        await asyncio.to_thread(target.write_bytes, source)
    elif isinstance(source, Download):
        name = name or source.suggested_filename
        await source.save_as(target)  # noqa: ASYNC240 - Playwright's, not pathlib's
    else:
        name = name or os.path.basename(source)  # noqa: PTH119
        await asyncio.to_thread(shutil.copyfile, source, target)
    context.keep_file(str(target), name)
    return name
