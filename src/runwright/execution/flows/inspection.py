"""Imports a project in its own Environment and reports its Apis, or why it cannot be deployed."""

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
    """A signal killed the process that imports the project; the message has the signal and the last output."""


async def silent(_line: str) -> None:
    """Report nothing."""


async def inspect(
    launcher: Launcher,
    candidate: Installed,
    patience: timedelta,
    sample_parameters: Mapping[str, dict[str, Any]],
    report: Report,
) -> tuple[Api, ...]:
    """Import everything in the real Environment and return the Apis.

    A killed process proves nothing about the project, so the import is tried a second time.

    Types without a JSON Schema, and sample parameters that do not fit theirs, are only reported.

    Raises:
        AuthorError: something cannot be imported, has no entry function, or takes too long.
    """
    try:
        inspected = await _inspect(launcher, candidate, patience)
    except _Killed as killed:
        await report(f"The process that imports the project died; trying again: {killed}")
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
        raise AuthorError(f"Importing the project killed the process twice: {killed}") from killed


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
            "does a module do its work on import?"
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
    """Check the Jobs that a project declares.

    Raises:
        AuthorError: a Job names an unknown Api, or its Payloads do not fit their Apis.
    """
    for job_id, plan in secrets.jobs.items():
        if found := jobs.problems(plan, manifest):
            raise AuthorError(f"The job `{job_id}`: `{found[0].path}` {found[0].message}.")
