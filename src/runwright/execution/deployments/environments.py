"""Environments: the virtual environments that Deployments run in, built by uv and shared by content.

A project without requirements runs on the platform's own interpreter. Any other gets a folder named by
the hash of its interpreter and requirement files; a lock file makes one process build it while the others
wait, and a marker written last tells a finished Environment from what a crash left.

uv gets copies of those files, in a folder with nothing else, and first pins everything in a `pylock.toml`:
this way the packages that the platform provides are left out, but their dependencies are not.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import shutil
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from runwright.adapters import disk
from runwright.config import Settings
from runwright.domain.projects import Requirements
from runwright.errors import AuthorError, PlatformError
from runwright.execution.deployments import (
    cache_gc,
    interpreters,
    project_toml,
    requirement_lines,
)
from runwright.execution.deployments.requirement_files import (
    OTHER_FORMAT,
    PLATFORM,
    RequirementFiles,
)
from runwright.execution.deployments.uv import Report, Uv

_MARKER = "runwright-environment.json"
_LOCK_POLL_SECONDS = 0.2
_OLDEST_PYTHON = ">=3.11"
_PROJECT, _PINNED, _HASHED = "project", "pylock.toml", ".hashed-requirements.txt"
_PLAYWRIGHT, _LEFT_OUT = "playwright.txt", "left-out.txt"
_PREFERRED = """\
lock-version = "1.0"
created-by = "runwright"
[[packages]]
name = "playwright"
version = "{}"
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """The Environment of a Deployment."""

    id: str
    python: Path


async def ensure(
    settings: Settings,
    requirements: Requirements,
    read: Callable[[], RequirementFiles],
    report: Report,
) -> Environment:
    """Return the Environment for the requirements, building it if it does not exist.

    `read` returns the requirement files, which are only needed for building.

    Raises:
        AuthorError: the requirements cannot be installed; includes uv's output.
        PlatformError: the file system cannot run programs.
    """
    interpreter = await _interpreter(requirements)
    asks_for_nothing = not requirements.packages and requirements.sha256 is None
    if asks_for_nothing and interpreter == sys.executable:
        return Environment(id="platform", python=Path(sys.executable))
    key = json.dumps({"interpreter": interpreter, **_contents(requirements)}, sort_keys=True)
    identifier = hashlib.sha256(key.encode()).hexdigest()[:24]
    directory = settings.data_dir / "environments" / identifier
    environment = Environment(id=identifier, python=directory / "bin" / "python")
    if (directory / _MARKER).is_file():
        cache_gc.mark_used(directory)
        return environment
    directory.parent.mkdir(parents=True, exist_ok=True)
    if not disk.runs_programs(directory.parent):
        raise PlatformError(
            f"{directory.parent} is on a file system mounted `noexec`, where environments cannot run: "
            "mount it with `exec`, or use another `--data-dir`"
        )
    async with _locked(directory.with_suffix(".lock")):
        if not (directory / _MARKER).is_file():
            count = len(requirements.packages)
            await report(f"Building an environment with {count} requirements")
            wanted = await asyncio.to_thread(read)
            await _Build(settings, directory, wanted, report).make(interpreter)
            (directory / _MARKER).write_text(key)
    return environment


class _Build:
    def __init__(
        self, settings: Settings, directory: Path, wanted: RequirementFiles, report: Report
    ) -> None:
        self._directory = directory
        self._project = directory / _PROJECT
        self._wanted = wanted
        self._report = report
        self._uv = Uv(settings, directory, report)
        self._python = ["--python", str(directory / "bin" / "python")]

    async def make(self, interpreter: str) -> None:
        await asyncio.to_thread(shutil.rmtree, self._directory, ignore_errors=True)
        try:
            await self._make(interpreter)
        except AuthorError as error:
            await asyncio.to_thread(shutil.rmtree, self._directory, ignore_errors=True)
            places = self._wanted.places(error.message)
            message = error.message.replace(f"{self._project}/", "")
            raise AuthorError("\n".join([message, *places])) from error
        except BaseException:
            await asyncio.to_thread(shutil.rmtree, self._directory, ignore_errors=True)
            raise

    async def _make(self, interpreter: str) -> None:
        venv = ["venv", "--no-config", "--quiet", "--python", interpreter, str(self._directory)]
        await self._uv.run(venv, self._directory.parent)
        # uv searches parent folders for settings, and stops at this file.
        (self._directory / "uv.toml").touch()
        await asyncio.to_thread(self._wanted.copy, self._project)
        await self._pin()
        # Runners write no bytecode, so each one would compile everything it imports.
        install = ["pip", "install", "--compile-bytecode", *self._python]
        pinned = self._directory / _PINNED
        if self._wanted.hashed:
            # Installed first, because a `pylock.toml` has the index's hashes instead of the author's.
            hashed = self._project / _HASHED
            hashed.write_text(self._wanted.hashed, encoding="utf-8")
            await self._uv.run(
                [*install, "--no-deps", "--requirements", str(hashed)], self._project
            )
        await self._uv.run([*install, "--requirements", str(pinned)], self._project)
        if not _has_playwright(pinned):
            await self._uv.run([*install, _own_playwright()], self._project)

    async def _pin(self) -> None:
        """Write the `pylock.toml` with the exact versions to install."""
        output = self._directory / _PINNED
        left_out = [
            "--no-emit-package",
            OTHER_FORMAT,
            "--format",
            "pylock.toml",
            "--output-file",
            str(output),
        ]
        if self._wanted.is_locked:
            arguments = [
                "export",
                "--quiet",
                "--frozen",
                "--no-default-groups",
                "--no-emit-project",
            ]
            await self._uv.run(
                [*arguments, "--no-emit-package", PLATFORM, *left_out], self._project
            )
            return
        playwright, excluded = self._directory / _PLAYWRIGHT, self._directory / _LEFT_OUT
        playwright.write_text("playwright\n", encoding="utf-8")
        excluded.write_text(f"{PLATFORM}\n", encoding="utf-8")
        # Prefer our Playwright version unless the author pins one: uv reuses versions found in its output file.
        output.write_text(_PREFERRED.format(version("playwright")), encoding="utf-8")
        inputs = [*map(str, self._wanted.inputs), str(playwright)]
        compiling = [
            "pip",
            "compile",
            "--quiet",
            *self._python,
            "--excludes",
            str(excluded),
            *left_out,
            *inputs,
        ]
        try:
            await self._uv.run(compiling, self._project, is_told=False)
        except AuthorError as error:
            if OTHER_FORMAT not in error.message:
                raise
            excluded.write_text(f"{PLATFORM}\n{OTHER_FORMAT}\n", encoding="utf-8")
            try:
                await self._uv.run(compiling, self._project, is_told=False)
            except AuthorError:
                raise error from None
            await self._report(
                f"The dependencies of `{OTHER_FORMAT}` conflict with the other requirements and are left out"
            )


async def _interpreter(requirements: Requirements) -> str:
    """The required or preferred interpreter, or a specifier for uv to search; our own if it fits."""
    specifier = _specifier(requirements)
    own_version = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    is_own_fit = specifier.contains(own_version)
    found = sys.executable if is_own_fit else await interpreters.find(specifier)
    if requirements.preferred_python is None:
        return found
    preferred = SpecifierSet(requirements.preferred_python)
    if preferred.contains(own_version):
        return found
    # If the preferred version is missing, use what was found: the requirements may well work on it.
    return await interpreters.find(preferred, otherwise=found)


def _specifier(requirements: Requirements) -> SpecifierSet:
    try:
        return SpecifierSet(requirements.python or "") & SpecifierSet(_OLDEST_PYTHON)
    except InvalidSpecifier as error:
        raise AuthorError(
            f"pyproject.toml: `requires-python` cannot be read: {requirements.python!r}"
        ) from error


def _contents(requirements: Requirements) -> dict[str, Any]:
    """What identifies an Environment, besides its interpreter."""
    if requirements.sha256 is not None:
        return {"sha256": requirements.sha256}
    # As in earlier versions, so that their Environments are still found.
    packages = [*requirements.packages]
    if not any(requirement_lines.name(each) == "playwright" for each in packages):
        packages.append(_own_playwright())
    return {"packages": packages}


def _has_playwright(pinned: Path) -> bool:
    packages = project_toml.toml(pinned).get("packages", [])
    return any(package["name"] == "playwright" for package in packages)


def _own_playwright() -> str:
    return f"playwright=={version('playwright')}"


@asynccontextmanager
async def _locked(file: Path) -> AsyncGenerator[None]:
    """Hold a lock file; the lock is released when the process dies, however it dies."""
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
