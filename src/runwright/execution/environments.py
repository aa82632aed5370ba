"""Environments: the virtual environment a Deployment runs in, made by uv, shared by content.

A project without requirements runs on the platform's own interpreter. Any other gets a folder named
by the hash of its interpreter and requirements; a lock file makes one process build it and the
others wait, and a marker written last tells a finished one from what a crash left.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from uv import find_uv_bin

from runwright import config
from runwright.adapters import disk
from runwright.config import Settings
from runwright.domain.projects import Requirements
from runwright.errors import AuthorError, PlatformError
from runwright.execution import interpreters, tidy
from runwright.execution.project_folder import is_ours

Report = Callable[[str], Awaitable[None]]
_MARKER = "runwright-environment.json"
_LOCK_POLL_SECONDS = 0.2
_SIZE_SECONDS = 2.0
_PLAYWRIGHT = re.compile(r"^playwright($|[^A-Za-z0-9._-])", re.IGNORECASE)
_OLDEST_PYTHON = ">=3.11"
_MAX_OUTPUT_LINES = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """Where a Deployment's code finds its interpreter."""

    id: str
    python: Path


async def ensure(settings: Settings, requirements: Requirements, report: Report) -> Environment:
    """Return the Environment of the requirements, building it if it is not there.

    Raises:
        AuthorError: the requirements cannot be met, with what uv said.
        PlatformError: there is no place for one.
    """
    specifier = _specifier(requirements)
    own_version = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    is_own_fit = specifier.contains(own_version)
    if not requirements.packages and is_own_fit:
        return Environment(id="platform", python=Path(sys.executable))
    interpreter = sys.executable if is_own_fit else await interpreters.find(specifier)
    packages = _packages(requirements)
    wanted = json.dumps({"interpreter": interpreter, "packages": packages}, sort_keys=True)
    identifier = hashlib.sha256(wanted.encode()).hexdigest()[:24]
    directory = settings.data_dir / "environments" / identifier
    environment = Environment(id=identifier, python=directory / "bin" / "python")
    if (directory / _MARKER).is_file():
        tidy.mark_used(directory)
        return environment
    directory.parent.mkdir(parents=True, exist_ok=True)
    if not disk.runs_programs(directory.parent):
        raise PlatformError(
            f"{directory.parent} is on a file system mounted `noexec`, from which no environment runs: "
            "mount it with `exec`, or serve from another `--data-dir`"
        )
    async with _locked(directory.with_suffix(".lock")):
        if not (directory / _MARKER).is_file():
            await report(f"Building an environment of {len(packages)} requirements")
            await _build(settings, directory, interpreter, packages, report)
            (directory / _MARKER).write_text(wanted)
    return environment


async def _build(
    settings: Settings, directory: Path, interpreter: str, packages: list[str], report: Report
) -> None:
    await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)
    listed = directory.with_suffix(".txt")
    listed.write_text("\n".join(packages) + "\n", encoding="utf-8")
    deadline = asyncio.get_running_loop().time() + settings.environment_timeout.total_seconds()
    try:
        for arguments in (
            ["venv", "--quiet", "--python", interpreter, str(directory)],
            [
                "pip",
                "install",
                # Runners keep no bytecode, and each would compile what it imports.
                "--compile-bytecode",
                "--python",
                str(directory / "bin" / "python"),
                "--requirements",
                str(listed),
            ],
        ):
            left = deadline - asyncio.get_running_loop().time()
            building = asyncio.create_task(_uv(settings, arguments, left, report))
            watching = asyncio.create_task(_watch_size(directory, settings.max_environment_bytes))
            try:
                await asyncio.wait({building, watching}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                stopped = [task for task in (building, watching) if task.cancel()]
                await asyncio.gather(*stopped, return_exceptions=True)
            for task in (watching, building):
                if not task.cancelled():
                    task.result()
    except BaseException:
        await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)
        raise


async def locked(settings: Settings, root: Path, requirements: Requirements) -> Requirements:
    """Return the exact requirements of the project's `uv.lock`, or what it has without one.

    Raises:
        AuthorError: the lock does not fit the `pyproject.toml`.
    """
    if not (root / "uv.lock").is_file():
        return requirements
    said: list[str] = []

    async def hear(line: str) -> None:
        said.append(line)

    arguments = ["export", "--quiet", "--frozen", "--no-dev", "--no-emit-project", "--no-hashes"]
    await _uv(
        settings, [*arguments, "--no-header", "--no-annotate", "--project", str(root)], 60, hear
    )
    packages = sorted({line.strip() for line in said if line.strip()})
    kept = [each for each in packages if not is_ours(each)]
    return dataclasses.replace(requirements, packages=tuple(kept))


async def _watch_size(directory: Path, limit: int) -> None:
    while True:
        await asyncio.sleep(_SIZE_SECONDS)
        held = await asyncio.to_thread(_size_bytes, directory)
        if held > limit:
            raise AuthorError(
                f"The environment has more than {limit // 2**20} MiB: require less, or have the "
                "operator raise `RUNWRIGHT_MAX_ENVIRONMENT_BYTES`."
            )


def _size_bytes(directory: Path) -> int:
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118 - fast
    return total


async def _uv(settings: Settings, arguments: list[str], seconds: float, report: Report) -> None:
    home = settings.data_dir / "build-home"
    home.mkdir(parents=True, exist_ok=True)
    process = await asyncio.create_subprocess_exec(
        find_uv_bin(),
        "--no-progress",
        "--color=never",
        "--no-config",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=config.build_environment(home),
        start_new_session=True,
    )
    said: list[str] = []
    try:
        async with asyncio.timeout(max(seconds, 0)):
            assert process.stdout is not None
            async for line in process.stdout:
                said.append(line.decode(errors="replace").rstrip())
                await report(said[-1])
            code = await process.wait()
    except TimeoutError as error:
        raise AuthorError("The environment took too long to build and was given up.") from error
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if code != 0:
        raise AuthorError(
            "The environment cannot be built:\n" + "\n".join(said[-_MAX_OUTPUT_LINES:])
        )


def _specifier(requirements: Requirements) -> SpecifierSet:
    try:
        return SpecifierSet(requirements.python or "") & SpecifierSet(_OLDEST_PYTHON)
    except InvalidSpecifier as error:
        raise AuthorError(
            f"pyproject.toml: `requires-python` cannot be read: {requirements.python!r}"
        ) from error


def _packages(requirements: Requirements) -> list[str]:
    packages = list(requirements.packages)
    if not any(_PLAYWRIGHT.match(each) for each in packages):
        packages.append(f"playwright=={version('playwright')}")
    return packages


@asynccontextmanager
async def _locked(file: Path) -> AsyncGenerator[None]:
    """Hold a lock file; the lock goes with the process, whatever ends it."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(_LOCK_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)
