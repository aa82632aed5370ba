"""The Runner's main loop: read an Attempt, run it, report, clean up, repeat; or inspect a project once."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import platform
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TextIO

from playwright.async_api import Error

from runwright import compat, protocol
from runwright.runner import artifacts, attempt, cleanliness, hook, output
from runwright.runner.browser import auth_state, display
from runwright.runner.browser.browser import Chromium, Opened, start_tracing, undisturbed
from runwright.runner.channel import Channel
from runwright.runner.live.live import Live
from runwright.runner.project.loader import Project
from runwright.runner.questions import Questions
from runwright.runner.runner_context import RunnerContext
from runwright.sdk.context import begin_inspection

_HIDDEN = (
    protocol.SOCKET_FD_VARIABLE,
    protocol.DRIVER_STDERR_VARIABLE,
    protocol.RUNNER_ID_VARIABLE,
    "PYTHONPATH",
    "NODE_COMPILE_CACHE",
)
_DRIVER_OPTIONS = "--max-semi-space-size=2"
"""For Playwright's Node: its young generation otherwise grows to 32 MiB and is no faster for it."""
_CLOSE_SECONDS = 20.0
_TASK_SECONDS = 1.0
_MEMORY_SECONDS = 5.0


def main() -> None:
    """Run until the Worker closes the socket or the Runner is unfit."""
    channel = Channel(int(os.environ[protocol.SOCKET_FD_VARIABLE]))
    setup = channel.receive_first()
    if not isinstance(setup, protocol.Setup):
        raise protocol.ProtocolError(f"the first message was {type(setup).__name__}, not Setup")
    node_cache = os.environ.get("NODE_COMPILE_CACHE")
    driver_stderr = os.fdopen(int(os.environ[protocol.DRIVER_STDERR_VARIABLE]), "w")
    os.set_inheritable(driver_stderr.fileno(), False)  # noqa: FBT003 - as Python has it
    for name in _HIDDEN:
        # The kernel's copy of the environment keeps the mark by which children are found.
        os.environ.pop(name, None)
    streams = output.Output()
    _enter(setup.project_root)
    project = Project(Path(setup.project_root), is_native=setup.is_native)
    if setup.mode == "inspect":
        _inspect(channel, project, setup.apis, streams)
        return
    mark = {protocol.RUNNER_ID_VARIABLE: setup.files_directory}
    if node_cache:
        mark["NODE_COMPILE_CACHE"] = node_cache
    if "NODE_OPTIONS" not in os.environ:
        mark["NODE_OPTIONS"] = _DRIVER_OPTIONS
    runner = _Runner(channel, setup, project, streams, driver_stderr, mark)
    asyncio.run(runner.serve())


def _enter(project_root: str) -> None:
    """Make the project the working directory and first import path, for the author's children as well."""
    os.chdir(project_root)
    ours = str(Path(compat.__file__).parent)
    others = [entry for entry in sys.path if entry not in ("", project_root, ours)]
    sys.path[:] = [project_root, ours, *others]
    os.environ["PYTHONPATH"] = os.pathsep.join((ours, str(Path(ours).parents[1])))
    # Show what children print immediately.
    os.environ["PYTHONUNBUFFERED"] = "1"


def _inspect(
    channel: Channel, project: Project, wanted: tuple[str, ...], streams: output.Output
) -> None:
    begin_inspection()
    apis, error = project.inspect(wanted)
    streams.flush()
    channel.send(
        protocol.Inspected(apis=tuple(apis), error=error, playwright=_playwright_version())
    )


class _Runner:
    """The warm loop: one Attempt at a time, then clean or retired."""

    def __init__(
        self,
        channel: Channel,
        setup: protocol.Setup,
        project: Project,
        streams: output.Output,
        driver_stderr: TextIO,
        mark: dict[str, str],
    ) -> None:
        self._channel = channel
        self._setup = setup
        self._project = project
        self._driver_stderr = driver_stderr
        self._mark = mark
        self._starts: asyncio.Queue[protocol.Start] = asyncio.Queue()
        self._running: asyncio.Task[protocol.Ended] | None = None
        self._live: Live | None = None
        self._watch = protocol.Watch()
        self._questions = Questions(channel.send)
        self._streams = streams
        self._attempts = 0
        self._environment = dict(setup.environment)
        self._memory_seen_at = 0.0
        self._has_hook = hook.exists(project)
        self._trace_next = setup.trace_ahead and not self._has_hook

    async def serve(self) -> None:
        self._channel.listen(asyncio.get_running_loop(), self._receive)
        chromium = await self._launch()
        runner = RunnerContext(
            setup=self._setup,
            project=self._project,
            chromium=chromium,
            send=self._channel.send,
            flush_output=self._streams.flush,
            questions=self._questions,
        )
        opened = await chromium.open(proxy=None, trace=self._trace_next)
        self._project.preload(self._setup.apis)
        self._streams.restore()
        self._streams.flush()
        while True:
            ours = asyncio.all_tasks()
            before = cleanliness.snapshot()
            self._say_ready(chromium)
            start = await self._starts.get()
            before = self._take_environment(start, before)
            try:
                opened = await self._fit(chromium, opened, start)
            except Error as error:
                await self._refuse(chromium, start, error)
                return
            ended = await self._run_attempt(runner, start, opened)
            await artifacts.report(runner, start, opened, ended)
            reasons = await self._reasons_to_retire(chromium, ended, ours, before)
            if reasons:
                self._channel.send(protocol.Retiring(reasons=tuple(reasons)))
                return
            opened = await self._next(chromium, opened)

    def _take_environment(
        self, start: protocol.Start, before: cleanliness.Snapshot
    ) -> cleanliness.Snapshot:
        """Apply the project's variables if they have changed."""
        if start.environment == self._environment:
            return before
        for name in self._environment:
            os.environ.pop(name, None)
        os.environ.update(start.environment)
        self._environment = dict(start.environment)
        return dataclasses.replace(before, environment=dict(os.environ))

    async def _run_attempt(
        self, runner: RunnerContext, start: protocol.Start, opened: Opened
    ) -> protocol.Ended:
        os.environ.update(start.token)
        # Threads from `asyncio.to_thread` end with the Attempt.
        executor = ThreadPoolExecutor(thread_name_prefix="attempt")
        asyncio.get_running_loop().set_default_executor(executor)
        self._questions.secrets.clear()
        self._live = live = Live(opened, self._channel.send)
        live.receive(self._watch)
        self._running = asyncio.create_task(attempt.run(runner, start, opened))
        ended = await self._end(self._running)
        self._running = self._live = None
        await live.stop()
        self._attempts += 1
        self._trace_next = start.save_trace and not self._has_hook and start.auth_session_id is None
        for name in start.token:
            os.environ.pop(name, None)
        executor.shutdown(wait=False, cancel_futures=True)
        return ended

    async def _launch(self) -> Chromium:
        chromium = Chromium(self._setup.browser, with_cdp=self._has_hook)
        display.ensure(self._setup.browser)
        # Playwright passes this process's environment on to driver and browser.
        os.environ.update(self._mark)
        try:
            with contextlib.redirect_stderr(self._driver_stderr):
                await chromium.launch()
        finally:
            for name in self._mark:
                os.environ.pop(name, None)
        return chromium

    def _receive(self, message: protocol.Message) -> None:
        if isinstance(message, protocol.Start):
            self._watch = protocol.Watch()
            self._starts.put_nowait(message)
        elif isinstance(message, protocol.Cancel) and self._running is not None:
            self._running.cancel()
        elif isinstance(message, protocol.Answer):
            self._questions.receive(message)
        elif self._live is not None:
            self._live.receive(message)
        elif isinstance(message, protocol.Watch):
            # It arrived before the Attempt started.
            self._watch = message

    def _say_ready(self, chromium: Chromium) -> None:
        self._channel.send(
            protocol.Ready(
                pid=os.getpid(),
                python=platform.python_version(),
                playwright=_playwright_version() or "",
                browser=chromium.version,
            )
        )

    async def _fit(self, chromium: Chromium, opened: Opened, start: protocol.Start) -> Opened:
        """The context opened ahead, if it fits the Attempt and is alive; otherwise a new one that fits."""
        # With an AuthSession tracing starts after the state is restored, which it must not show.
        is_traced_now = start.save_trace and not self._has_hook and start.auth_state is None
        state = None
        if auth_state.NEEDS_NEW_CONTEXT and start.auth_state is not None and not self._has_hook:
            state = auth_state.stored(start.auth_state)
        needs_own = start.proxy is not None or start.save_har or state is not None
        if not needs_own and await _can_reuse(opened, trace=is_traced_now):
            return opened
        with contextlib.suppress(Error):
            await opened.context.close()
        har = f"{self._setup.files_directory}/{uuid.uuid4().hex}.har.zip"
        return await _open_anew(
            chromium,
            state,
            proxy=start.proxy,
            trace=is_traced_now,
            har=har if start.save_har else None,
        )

    async def _refuse(self, chromium: Chromium, start: protocol.Start, error: Error) -> None:
        """Fail an Attempt whose proxy the browser rejects; without a proxy the error is not the caller's."""
        if start.proxy is None or await chromium.dead_part() is not None:
            raise error
        self._channel.send(protocol.Started(at=time.time()))
        self._channel.send(protocol.Ended(failure=attempt.unopened(error)))
        self._channel.send(protocol.Retiring(reasons=("the browser could not be opened",)))

    async def _end(self, running: asyncio.Task[protocol.Ended]) -> protocol.Ended:
        try:
            ended = await running
        except asyncio.CancelledError:
            ended = protocol.Ended(was_cancelled=True)
        self._streams.flush()
        self._channel.send(ended)
        return ended

    async def _reasons_to_retire(
        self,
        chromium: Chromium,
        ended: protocol.Ended,
        ours: set[asyncio.Task[Any]],
        before: cleanliness.Snapshot,
    ) -> list[str]:
        mine = ours | {task for task in asyncio.all_tasks() if task is asyncio.current_task()}
        have_ended = await cleanliness.end_tasks(mine, _TASK_SECONDS)
        reasons = cleanliness.differences(before, cleanliness.snapshot())
        if chromium.gone.is_set():
            reasons.append("the browser is gone")
        if not have_ended:
            reasons.append("an asyncio task is still running")
        if ended.result is None:
            reasons.append("the attempt failed")
        if self._setup.is_isolated:
            reasons.append("every attempt gets its own process")
        if self._has_hook:
            reasons.append("the browser's own context was used")
        if self._attempts >= self._setup.max_attempts:
            reasons.append(f"it has run {self._attempts} attempts")
        if (held := self._held_bytes()) > self._setup.max_memory_bytes:
            reasons.append(f"it holds {held} bytes of memory")
        return reasons

    def _held_bytes(self) -> int:
        # Scanning /proc costs as much as opening a page: once in a while is enough.
        now = time.monotonic()
        if now - self._memory_seen_at < _MEMORY_SECONDS:
            return 0
        self._memory_seen_at = now
        return cleanliness.memory_bytes()

    async def _next(self, chromium: Chromium, opened: Opened) -> Opened:
        """Close what the Attempt used and open what the next one will use."""
        async with asyncio.timeout(_CLOSE_SECONDS):
            await undisturbed(opened.context.close)
        self._project.forget()
        self._streams.restore()
        return await chromium.open(proxy=None, trace=self._trace_next)


async def _can_reuse(opened: Opened, *, trace: bool) -> bool:
    """Start or stop tracing as the Attempt wants; False if the page died while nobody used it."""
    if opened.has_crashed:
        return False
    try:
        if trace and not opened.is_tracing:
            await start_tracing(opened.context)
        elif not trace and opened.is_tracing:
            await opened.context.tracing.stop()
    except Error:
        return False
    opened.is_tracing = trace
    return not opened.has_crashed


async def _open_anew(chromium: Chromium, state: dict[str, Any] | None, **options: Any) -> Opened:
    try:
        return await chromium.open(state=state, **options)
    except Error:
        # If the state is at fault, restoring it during the Attempt will say why; if a renderer died,
        # this replaces it.
        return await chromium.open(**options)


@cache
def _playwright_version() -> str | None:
    with contextlib.suppress(PackageNotFoundError):
        return version("playwright")
    return None


if __name__ == "__main__":
    main()
