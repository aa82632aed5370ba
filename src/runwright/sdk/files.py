"""Files that stay with the Run."""

from __future__ import annotations

import asyncio
import os
import shutil
import uuid
from pathlib import Path

from playwright.async_api import Download

from runwright.sdk.context import current


async def save_file(source: bytes | str | Path | Download, name: str | None = None) -> str:
    """Keep a file with the Run, where callers find it with a link; return its name.

    `source` is its bytes, a path, or a download of the page.

    Raises:
        ValueError: bytes come without a name.
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
