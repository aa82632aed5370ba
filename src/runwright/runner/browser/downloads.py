"""The files that the browser downloads during an Attempt, saved as they finish."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from playwright.async_api import BrowserContext, Download, Page

from runwright import protocol

_CANCEL_SECONDS = 2.0

Send = Callable[[protocol.Message], None]


class Downloads:
    """Saves every download of some contexts while the author's code continues."""

    def __init__(self) -> None:
        self._directory = Path()
        self._send: Send = lambda _message: None
        self._keeping: dict[asyncio.Task[None], Download] = {}

    def start(self, directory: str, send: Send) -> None:
        """From now on, save downloads to the directory and report them."""
        self._directory = Path(directory)
        self._send = send

    def hear(self, context: BrowserContext) -> None:
        """Save what the pages of this context download."""
        context.on("page", self._watch)
        for page in context.pages:
            self._watch(page)

    def leave(self, context: BrowserContext) -> None:
        """Stop saving what the pages of this context download."""
        context.remove_listener("page", self._watch)
        for page in context.pages:
            page.remove_listener("download", self._add)

    async def settle(self, seconds: float) -> None:
        """Wait up to `seconds` for downloads in progress."""
        if self._keeping:
            await asyncio.wait(set(self._keeping), timeout=seconds)

    async def finish(self, seconds: float) -> None:
        """Wait up to `seconds` for downloads in progress, then cancel the rest."""
        await self.settle(seconds)
        for task, download in list(self._keeping.items()):
            task.cancel()
            self._warn(download, f"it was incomplete {seconds:g} s after the automation ended")
            await asyncio.wait({asyncio.ensure_future(download.cancel())}, timeout=_CANCEL_SECONDS)
        self._keeping.clear()

    def _watch(self, page: Page) -> None:
        page.on("download", self._add)

    def _add(self, download: Download) -> None:
        task = asyncio.ensure_future(self._keep(download))
        self._keeping[task] = download
        task.add_done_callback(lambda done: self._keeping.pop(done, None))

    async def _keep(self, download: Download) -> None:
        target = self._directory / uuid.uuid4().hex
        try:
            await download.save_as(target)
        except Exception as error:  # noqa: BLE001 - a broken download never changes the outcome
            self._warn(download, str(error))
            return
        self._send(
            protocol.File(kind="download", name=download.suggested_filename, path=str(target))
        )

    def _warn(self, download: Download, reason: str) -> None:
        text = f"the download `{download.suggested_filename}` was not kept: {reason}"
        self._send(protocol.Log(at=time.time(), stream="platform", level="warning", text=text))
