"""What an Attempt leaves when it is over: its state, the trace, downloads, the recorded network."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from pathlib import Path

from runwright import protocol, redaction
from runwright.redaction import Redactor
from runwright.runner import hook
from runwright.runner.browser import auth_state, states, traces
from runwright.runner.browser.browser import Opened, drain
from runwright.runner.runner_context import RunnerContext

_PAINT_MILLISECONDS = 2000


async def report(
    runner: RunnerContext, start: protocol.Start, opened: Opened, ended: protocol.Ended
) -> None:
    """Report the artifacts that exist once the outcome is sent; nothing here can change or delay the outcome."""
    await drain(opened.context)
    state = ended.auth_state
    if ended.is_state_to_come:
        state = await states.after(start, opened, lambda text: _warn(runner, text))
        runner.send(protocol.AuthState(auth_state=state))
    await trace(runner, start, opened, state, is_failed=ended.failure is not None)
    await opened.downloads.finish(runner.setup.download_seconds)
    await hook.clean_up(opened, runner.send)
    if opened.har is not None:
        # The recording is written when the context closes.
        await opened.context.close()
        if os.path.exists(opened.har):  # noqa: ASYNC240 - a local file, once an Attempt
            runner.send(protocol.File(kind="har", name="network.har.zip", path=opened.har))


async def trace(
    runner: RunnerContext,
    start: protocol.Start,
    opened: Opened,
    state: auth_state.AuthState | None,
    *,
    is_failed: bool = False,
) -> None:
    """Report the trace, at most once, if one is kept, with secrets removed, including those in the state."""
    if not opened.is_tracing or not start.save_trace:
        return
    secrets = (*start.secrets, *runner.questions.secrets, *redaction.secrets_of_state(state))
    if is_failed:
        await _paint(opened)
    opened.is_tracing = False
    await _save_trace(runner, opened, secrets)


async def _paint(opened: Opened) -> None:
    """Make the newest tab paint, so that the trace's last picture shows where the author's code failed.

    A trace gets its pictures when the browser paints, and code that fails right away leaves no time for that.
    """
    there = [page for page in opened.context.pages if not page.is_closed()]
    if not there:
        return
    # A dead browser or a hung page has nothing new to show, and any error may come from the author's handlers.
    with contextlib.suppress(Exception):
        # Playwright before 1.49 has no groups.
        if (group := getattr(opened.context.tracing, "group", None)) is not None:
            await group("What the browser showed last")
        await there[-1].screenshot(type="jpeg", timeout=_PAINT_MILLISECONDS)


async def _save_trace(runner: RunnerContext, opened: Opened, secrets: tuple[str, ...]) -> None:
    path = Path(runner.setup.files_directory) / f"{uuid.uuid4().hex}.zip"
    try:
        await opened.context.tracing.stop(path=str(path))
        if secrets:
            # Blocking is fine: there is nothing else to do here, and the Attempt's threads have ended.
            traces.redact(path, Redactor(secrets))
    except Exception as error:  # noqa: BLE001 - the browser may be gone; the Run has its outcome already
        _warn(runner, f"the trace could not be saved: {type(error).__name__}: {error}")
        return
    runner.send(protocol.File(kind="trace", name="trace.zip", path=str(path)))


def _warn(runner: RunnerContext, text: str) -> None:
    runner.send(protocol.Log(at=time.time(), stream="platform", level="warning", text=text))
