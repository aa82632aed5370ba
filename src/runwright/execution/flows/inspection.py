"""Imports a project in its own environment and says what it holds, or why it cannot be deployed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from runwright import protocol
from runwright.control.jobs import jobs
from runwright.domain.projects import Api, Manifest, ProjectSecrets
from runwright.errors import AuthorError
from runwright.execution.deployments import described_apis
from runwright.execution.deployments.deployment_cache import Installed
from runwright.execution.deployments.uv import Report
from runwright.execution.runners.launcher import Launcher
from runwright.execution.runners.runner_process import Exited, RunnerProcess

_MAX_OUTPUT_LINES = 50


class _Killed(Exception):
    """A signal ended the process that imports the project: of which, and what it said before."""


async def silent(_line: str) -> None:
    """Tell nobody."""


async def inspect(
    launcher: Launcher,
    candidate: Installed,
    patience: timedelta,
    sample_parameters: Mapping[str, dict[str, Any]],
    report: Report,
) -> tuple[Api, ...]:
    """Import everything in the real environment and return the Apis.

    A process that is killed says nothing about the project, so it is started once more.

    What types have no JSON Schema, and which samples do not fit theirs, is reported and fails nothing.

    Raises:
        AuthorError: something cannot be imported, has no entry function, or takes too long.
    """
    try:
        inspected = await _inspect(launcher, candidate, patience)
    except _Killed as killed:
        await report(f"The process that imports the project died, so once more: {killed}")
        inspected = await _inspect_again(launcher, candidate, patience)
    apis, remarks = described_apis.read(inspected.apis, sample_parameters, candidate.settings)
    for remark in remarks:
        await report(remark)
    return apis


async def _inspect_again(
    launcher: Launcher, candidate: Installed, patience: timedelta
) -> protocol.Inspected:
    try:
        return await _inspect(launcher, candidate, patience)
    except _Killed as killed:
        raise AuthorError(f"Importing the project ended the process, twice: {killed}") from killed


async def _inspect(
    launcher: Launcher, candidate: Installed, patience: timedelta
) -> protocol.Inspected:
    runner = await launcher.spawn(candidate, mode="inspect")
    try:
        async with asyncio.timeout(patience.total_seconds()):
            inspected = await _inspected(runner)
    except TimeoutError as error:
        raise AuthorError(
            f"Importing the project took more than {patience.total_seconds():g} s: "
            "does a module do its work when it is imported?"
        ) from error
    finally:
        await runner.kill()
    if inspected.error is not None:
        raise AuthorError(inspected.error)
    if not inspected.apis:
        raise AuthorError(
            "The project has no API: put a file with an `async def automation` in `api`."
        )
    return inspected


async def _inspected(runner: RunnerProcess) -> protocol.Inspected:
    said: list[str] = []
    while True:
        event = await runner.receive()
        match event:
            case protocol.Inspected():
                return event
            case protocol.Log():
                said.append(event.text)
            case Exited():
                end = "\n".join([f"{event.description}.", *said[-_MAX_OUTPUT_LINES:]])
                if event.code < 0:
                    raise _Killed(end)
                raise AuthorError(f"Importing the project ended the process: {end}")
            case _:
                continue


def check_jobs(secrets: ProjectSecrets, manifest: Manifest) -> None:
    """See whether the Jobs that a project declares can be.

    Raises:
        AuthorError: one names no Api, or its items are not what their Apis take.
    """
    for job_id, plan in secrets.jobs.items():
        if found := jobs.problems(plan, manifest):
            raise AuthorError(f"The job `{job_id}`: `{found[0].path}` {found[0].message}.")
