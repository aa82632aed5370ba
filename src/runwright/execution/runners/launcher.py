"""Starts Runners for Deployments with the right browser, folder and environment."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from runwright import config, protocol
from runwright.config import Settings
from runwright.domain.projects import BrowserKind, Isolation
from runwright.errors import PlatformError
from runwright.execution.deployments.deployment_cache import Installed
from runwright.execution.runners import (
    browsers,
    reaper,
    runner_folders,
    runner_package,
    runner_process,
)
from runwright.execution.runners.browsers import Browsers
from runwright.execution.runners.runner_process import Exited, RunnerProcess

_FIRST_LINES, _LAST_LINES = 10, 20
"""Output lines shown when a Runner does not start: the failing program's cause comes first, our traceback last."""
_LOCK = "lock"

Variables = Callable[[Installed], Awaitable[dict[str, str]]]


class Launcher:
    """Starts Runners; there is one Launcher per Worker."""

    def __init__(
        self,
        settings: Settings,
        found: Browsers,
        staged: Path,
        directory: Path,
        variables: Variables,
    ) -> None:
        self._settings = settings
        self._browsers = found
        self._staged = staged
        self._directory = directory
        self._variables = variables

    async def launch(self, deployment: Installed) -> RunnerProcess:
        """Start a Runner and return it once it is ready for an Attempt.

        Raises:
            PlatformError: it died or took too long; includes its output.
        """
        runner = await self.spawn(deployment, mode="run")
        said: list[str] = []
        try:
            async with asyncio.timeout(self._settings.runner_start_timeout.total_seconds()):
                end = await _until_ready(runner, said)
        except TimeoutError:
            end = "it took too long"
        except BaseException:
            await runner.kill()
            raise
        if end is None:
            return runner
        await runner.kill()
        raise PlatformError(f"a runner did not start: {end}\n{_shortened(said)}")

    async def spawn(self, deployment: Installed, *, mode: str) -> RunnerProcess:
        """Start a Runner's process and send it its `Setup`."""
        settings = deployment.settings
        directory = self._directory / uuid.uuid4().hex
        variables = await self._variables(deployment)
        runner = await runner_process.launch(
            python=deployment.python,
            directory=directory,
            author_side=self._staged,
            environment={**config.author_environment(), **variables},
        )
        browser = protocol.Browser(
            executable=self._browsers.executable(is_shell=settings.browser is BrowserKind.SHELL),
            headless=not (settings.headful and config.has_display()),
            is_shell=self._browsers.is_shell(is_shell=settings.browser is BrowserKind.SHELL),
            arguments=self._settings.chromium_args,
            sandbox=not config.is_root(),
            window_width=settings.window_width,
            window_height=settings.window_height,
            user_agent=settings.user_agent,
            ignore_https_errors=settings.ignore_https_errors,
        )
        await runner.send(
            protocol.Setup(
                mode=mode,
                project_root=str(deployment.root),
                files_directory=str(runner.files_directory),
                browser=browser,
                max_result_bytes=self._settings.max_result_bytes,
                download_seconds=self._settings.download_timeout.total_seconds(),
                max_memory_bytes=self._settings.runner_memory_bytes,
                max_attempts=self._settings.runner_max_attempts,
                is_isolated=settings.isolation is Isolation.PROCESS,
                environment=variables,
                trace_ahead=not settings.has_auth_sessions,
                apis=deployment.apis,
                is_native=settings.kind == "native",
            )
        )
        return runner


@asynccontextmanager
async def opened(settings: Settings, variables: Variables) -> AsyncGenerator[Launcher]:
    """Find the browsers, stage the Runner package, sweep what dead Workers left behind, and yield.

    Every Worker has its own folder for Runners and keeps it locked while it lives; an unlocked folder
    belongs to a dead one. `variables` returns the environment variables of a Deployment's project.

    Raises:
        ConfigError: this machine has no Chromium or no temporary folder.
    """
    found = browsers.find(settings)
    await asyncio.to_thread(runner_folders.try_temporary)
    reaper.become_subreaper()
    runners = settings.data_dir / "runners"
    directory, lock = await asyncio.to_thread(_make_own, runners)
    try:
        await asyncio.to_thread(_sweep, runners)
        staged = await asyncio.to_thread(runner_package.stage, settings.data_dir / "author-side")
        await asyncio.to_thread(runner_package.compile_playwright)
        yield Launcher(settings, found, staged, directory, variables)
    finally:
        await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)
        os.close(lock)


def _make_own(runners: Path) -> tuple[Path, int]:
    directory = runners / uuid.uuid4().hex
    directory.mkdir(parents=True, mode=0o711)
    lock = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return directory, lock


def _sweep(runners: Path) -> None:
    for directory in runners.iterdir():
        try:
            lock = os.open(directory / _LOCK, os.O_RDWR)
        except OSError:
            # Another Worker is creating or removing it right now, or it is not a Worker's folder.
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            runner_folders.sweep_leftovers(directory)
            shutil.rmtree(directory, ignore_errors=True)
        finally:
            os.close(lock)


def _shortened(said: list[str]) -> str:
    left_out = len(said) - _FIRST_LINES - _LAST_LINES
    if left_out > 1:
        said = [*said[:_FIRST_LINES], f"… {left_out} lines …", *said[-_LAST_LINES:]]
    return "\n".join(said)


async def _until_ready(runner: RunnerProcess, said: list[str]) -> str | None:
    """Collect the Runner's output; return None once it is ready, or how it died."""
    while True:
        event = await runner.receive()
        match event:
            case protocol.Ready():
                return None
            case protocol.Log():
                said.append(event.text)
            case Exited():
                return event.description
            case _:
                continue
