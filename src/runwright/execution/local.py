"""Carries out one Api of a folder on this machine, without a server, on the same Runner as a Worker's."""

from __future__ import annotations

import asyncio
import shutil
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from runwright import config, protocol
from runwright.adapters import disk
from runwright.config import Settings
from runwright.domain.ids import DeploymentId, ProjectId, WorkspaceId
from runwright.domain.projects import Api, BrowserKind, ProjectSettings
from runwright.execution import environments, inspection, launcher, project_folder
from runwright.execution.installed import Installed
from runwright.execution.launcher import Launcher
from runwright.execution.outgoing import Outgoing
from runwright.execution.runner_process import Exited, RunnerProcess
from runwright.execution.terminal import Terminal

Say = Callable[[str], None]
_NOBODY = uuid.UUID(int=0)


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalRun:
    """How it went."""

    ended: protocol.Ended
    files: tuple[Path, ...]
    """Traces, downloads and files, where they were put."""


class LocalProject:
    """A folder that is ready to be imported and run."""

    def __init__(
        self, settings: Settings, starter: Launcher, installed: Installed, samples: Any
    ) -> None:
        self._settings = settings
        self._launcher = starter
        self._installed = installed
        self._samples = samples

    async def inspect(self) -> tuple[Api, ...]:
        """Import everything, as deploying does.

        Raises:
            AuthorError: it could not be deployed; says why.
        """
        return await inspection.inspect(
            self._launcher,
            self._installed,
            self._settings.inspect_timeout,
            self._samples,
            inspection.silent,
        )

    async def carry_out(self, start: protocol.Start, say: Say, kept: Path) -> LocalRun:
        """Carry out one Attempt, saying its log; its files are put into `kept`."""
        runner = await self._launcher.launch(
            replace(self._installed, apis=(start.api,) if start.kind == "api" else ())
        )
        outgoing = Outgoing(self._installed.proxy, say)
        files: list[Path] = []
        terminal = Terminal(runner, say)
        try:
            await runner.send(replace(start, proxy=await outgoing.open()))
            ended = await _follow(runner, terminal, say, kept, files)
        finally:
            await terminal.close()
            await runner.kill()
            await outgoing.close()
        return LocalRun(ended=ended, files=tuple(files))


@asynccontextmanager
async def opened(
    settings: Settings, folder: Path, report: Callable[[str], Awaitable[None]], *, is_headed: bool
) -> AsyncGenerator[LocalProject]:
    """Make a folder ready: its settings, its environment, its variables from `.env`.

    Raises:
        AuthorError: the settings or the requirements cannot be.
        ConfigError: there is no Chromium.
    """
    await asyncio.to_thread(disk.make_data_directory, settings.data_dir, mode=0o700)
    found = project_folder.read(folder)
    requirements = await environments.locked(settings, folder, found.requirements)
    environment = await environments.ensure(settings, requirements, report)
    installed = Installed(
        deployment_id=DeploymentId(_NOBODY),
        workspace_id=WorkspaceId(_NOBODY),
        project_id=ProjectId(_NOBODY),
        root=folder,
        python=environment.python,
        settings=_headed(found.settings) if is_headed else found.settings,
        apis=(),
        proxy=found.dev_proxy,
    )

    async def variables(_deployment: Installed) -> dict[str, str]:
        return config.read_env_file(folder / ".env")

    async with launcher.opened(settings, variables) as starter:
        yield LocalProject(settings, starter, installed, found.samples)


async def _follow(
    runner: RunnerProcess, terminal: Terminal, say: Say, kept: Path, files: list[Path]
) -> protocol.Ended:
    """Follow the Attempt until the Runner is through with it; one that dies is a failure."""
    ended: protocol.Ended | None = None
    while True:
        event = await runner.receive()
        match event:
            case protocol.Ended():
                ended = event
            case protocol.Log():
                say(event.text)
            case protocol.Ask() | protocol.Withdraw():
                await terminal.take(event)
            case protocol.File():
                files.append(_keep(event, kept))
            case protocol.Ready() | protocol.Retiring() | Exited() if ended is not None:
                return ended
            case Exited():
                return protocol.Ended(
                    failure=protocol.Failed(
                        code="script-process-crashed",
                        category="execution",
                        message=f"The process died: {event.description}.",
                    )
                )
            case _:
                pass


def _keep(file: protocol.File, kept: Path) -> Path:
    kept.mkdir(parents=True, exist_ok=True)
    target = kept / Path(file.name).name
    shutil.move(file.path, target)
    return target


def _headed(settings: ProjectSettings) -> ProjectSettings:
    # The shell has no head.
    return replace(settings, headful=True, browser=BrowserKind.CHROMIUM)
