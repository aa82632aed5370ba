"""Runs one Api of a folder on this machine without a server, on the same Runner that a Worker uses."""

from __future__ import annotations

import asyncio
import shutil
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from runwright import protocol
from runwright.adapters import disk
from runwright.adapters.bundles import project_files
from runwright.config import Settings
from runwright.control.base import parameters
from runwright.domain.ids import DeploymentId, ProjectId, WorkspaceId
from runwright.domain.projects import Api, BrowserKind, Manifest, ProjectSettings
from runwright.errors import AuthorError
from runwright.execution.attempts import attempt_failures
from runwright.execution.deployments import environments, project_folder
from runwright.execution.deployments.deployment_cache import Installed
from runwright.execution.deployments.project_folder import ProjectFolder
from runwright.execution.flows import inspection
from runwright.execution.flows.inspection import Report
from runwright.execution.local import env_file
from runwright.execution.local.terminal_questions import TerminalQuestions
from runwright.execution.outgoing.outgoing import Outgoing
from runwright.execution.runners import launcher
from runwright.execution.runners.launcher import Launcher
from runwright.execution.runners.runner_process import Exited, RunnerProcess

Say = Callable[[str], None]
_NOBODY = uuid.UUID(int=0)


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalRun:
    """The outcome of a local run."""

    ended: protocol.Ended
    files: tuple[Path, ...]
    """Paths of the traces, downloads and files that were kept."""


class LocalProject:
    """A project folder that is ready to be imported and run."""

    def __init__(
        self, settings: Settings, starter: Launcher, installed: Installed, found: ProjectFolder
    ) -> None:
        self._settings = settings
        self._launcher = starter
        self._installed = installed
        self._found = found

    async def inspect(self, report: Report) -> tuple[Api, ...]:
        """Import everything and check its Jobs, as a deploy does.

        Raises:
            AuthorError: the project cannot be deployed; says why.
        """
        apis = await self._inspect((), report)
        manifest = Manifest(apis=apis, settings=self._found.settings)
        inspection.check_jobs(self._found.secrets, manifest)
        return apis

    async def run(self, start: protocol.Start, say: Say, kept: Path) -> LocalRun:
        """Run one Attempt, passing its log to `say`; its files are moved into `kept`."""
        apis = (start.api,) if start.kind == "api" else ()
        checking = asyncio.create_task(self._wrong_parameters(start))
        try:
            runner = await self._launcher.launch(replace(self._installed, apis=apis))
        except BaseException:
            checking.cancel()
            raise
        outgoing = Outgoing(self._installed.proxy, say)
        files: list[Path] = []
        questions = TerminalQuestions(runner, say)
        try:
            if (wrong := await checking) is not None:
                return LocalRun(ended=protocol.Ended(failure=wrong), files=())
            await runner.send(replace(start, proxy=await outgoing.open()))
            ended = await _follow(runner, questions, say, kept, files)
        finally:
            await questions.close()
            await runner.kill()
            await outgoing.close()
        return LocalRun(ended=ended, files=tuple(files))

    async def _wrong_parameters(self, start: protocol.Start) -> protocol.Failed | None:
        """Why a server would reject the parameters; a project that cannot be imported fails in the Attempt instead."""
        if start.kind != "api" or self._installed.settings.kind != "native":
            return None
        try:
            (api,) = await self._inspect((start.api,), inspection.silent)
        except (AuthorError, ValueError):
            return None
        schema = parameters.enforced(api, self._installed.settings)
        problems = [] if schema is None else parameters.problems(start.parameters, schema)
        if not problems:
            return None
        failure = attempt_failures.wrong_parameters(problems)
        return protocol.Failed(
            code=failure.code.value,
            category=failure.category.value,
            message=failure.message,
            retryable=False,
            details=failure.details,
        )

    async def _inspect(self, apis: tuple[str, ...], report: Report) -> tuple[Api, ...]:
        return await inspection.inspect(
            self._launcher,
            replace(self._installed, apis=apis),
            self._settings.inspect_timeout,
            {} if apis else self._found.sample_parameters,
            report,
        )


@asynccontextmanager
async def opened(
    settings: Settings, folder: Path, report: Callable[[str], Awaitable[None]], *, is_headed: bool
) -> AsyncGenerator[LocalProject]:
    """Prepare a folder: its settings, its Environment, its variables from `.env`.

    Raises:
        AuthorError: the settings are invalid, or the requirements cannot be installed.
        ConfigError: there is no Chromium.
    """
    await asyncio.to_thread(disk.make_data_directory, settings.data_dir, mode=0o700)
    found = await asyncio.to_thread(
        lambda: project_folder.read(folder, project_files.files(folder))
    )
    for remark in found.requirements.remarks:
        await report(remark)
    environment = await environments.ensure(
        settings, found.requirements.requirements, lambda: found.requirements, report
    )
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
        return env_file.read(folder / ".env")

    async with launcher.opened(settings, variables) as starter:
        yield LocalProject(settings, starter, installed, found)


async def _follow(
    runner: RunnerProcess, questions: TerminalQuestions, say: Say, kept: Path, files: list[Path]
) -> protocol.Ended:
    """Follow the Attempt until the Runner is done with it; a Runner that dies is a failure."""
    ended: protocol.Ended | None = None
    while True:
        event = await runner.receive()
        match event:
            case protocol.Ended():
                ended = event
            case protocol.Log():
                say(event.text)
            case protocol.Ask() | protocol.Withdraw():
                await questions.take(event)
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
    # The headless shell cannot show a window.
    return replace(settings, headful=True, browser=BrowserKind.CHROMIUM)
