"""What is left of an Attempt when it is over: downloads, the trace, the recorded network."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
import uuid
from pathlib import Path

from playwright.async_api import Error as PlaywrightError

from runwright import protocol, redaction
from runwright.redaction import Redactor
from runwright.runner import hook, traces
from runwright.runner.browser import Opened
from runwright.runner.stage import Stage

_DOWNLOAD_SECONDS = 60
_PAINT_MILLISECONDS = 2000


async def downloads(stage: Stage, opened: Opened) -> None:
    """Report the files that the browser has downloaded; one that is broken is told of in the log."""
    for download in opened.downloads:
        target = Path(stage.setup.files_directory) / uuid.uuid4().hex
        try:
            async with asyncio.timeout(_DOWNLOAD_SECONDS):
                await download.save_as(target)
        except Exception as error:  # noqa: BLE001 - a broken download never changes the outcome
            text = f"the download `{download.suggested_filename}` was not kept: {error}"
            stage.send(protocol.Log(at=time.time(), stream="platform", level="warning", text=text))
            continue
        stage.send(
            protocol.File(kind="download", name=download.suggested_filename, path=str(target))
        )


async def recordings(
    stage: Stage, start: protocol.Start, opened: Opened, ended: protocol.Ended
) -> None:
    """Report the trace and the recorded network, as far as they were wanted; then end the hook's part."""
    if opened.is_tracing and start.save_trace:
        asked = stage.questions.secrets
        secrets = (*start.secrets, *asked, *redaction.secrets_of_state(ended.auth_state))
        if ended.failure is not None:
            await _paint(opened)
        await _save_trace(stage, opened, secrets)
    await hook.clean_up(opened, stage.send)
    if opened.har is not None:
        # The recording is written when the context is closed.
        await opened.context.close()
        if os.path.exists(opened.har):  # noqa: ASYNC240 - a local file, once an Attempt
            stage.send(protocol.File(kind="har", name="network.har.zip", path=opened.har))


async def _paint(opened: Opened) -> None:
    """Have the newest tab painted, so that the trace's last picture is of what the author's code failed at.

    A trace gets its pictures when the browser paints, which code that fails at once leaves no time for.
    """
    there = [page for page in opened.context.pages if not page.is_closed()]
    if not there:
        return
    # A browser that is gone, or a page that hangs, has nothing new to show.
    with contextlib.suppress(PlaywrightError):
        # Playwright before 1.49 has no groups.
        if (group := getattr(opened.context.tracing, "group", None)) is not None:
            await group("What the browser showed last")
        await there[-1].screenshot(type="jpeg", timeout=_PAINT_MILLISECONDS)


async def _save_trace(stage: Stage, opened: Opened, secrets: tuple[str, ...]) -> None:
    path = Path(stage.setup.files_directory) / f"{uuid.uuid4().hex}.zip"
    try:
        await opened.context.tracing.stop(path=str(path))
        if secrets:
            # Nothing else is to be done here meanwhile, and the threads of the Attempt have ended.
            traces.redact(path, Redactor(secrets))
    except Exception as error:  # noqa: BLE001 - the browser may be gone; the Run has its outcome
        text = f"the trace could not be saved: {type(error).__name__}: {error}"
        stage.send(protocol.Log(at=time.time(), stream="platform", level="warning", text=text))
        return
    stage.send(protocol.File(kind="trace", name="trace.zip", path=str(path)))
