"""Finds the Python interpreters on this machine: on PATH, and pyenv's, which are not on PATH."""

from __future__ import annotations

import asyncio
import re
import shutil
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from runwright import config

_MINORS = (11, 12, 13, 14)
_ASK_SECONDS = 10
_ASK = "import platform; print(platform.python_version())"
_VERSION = re.compile(r"\d+\.\d+\.\d+")


async def find(specifier: SpecifierSet, *, otherwise: str | None = None) -> str:
    """The newest interpreter that fits; if there is none, `otherwise`, or the specifier for uv to search.

    uv searches more places, and may download an interpreter.
    """
    found: dict[Version, str] = {}
    for program in await asyncio.to_thread(_programs):
        version = await _version(program)
        if version is not None and specifier.contains(version):
            found.setdefault(version, program)
    return found[max(found)] if found else otherwise or str(specifier)


def _programs() -> list[str]:
    path, home = config.interpreter_places()
    names = [f"python3.{minor}" for minor in _MINORS]
    on_path = [program for name in names if (program := shutil.which(name, path=path))]
    versions = (Path(home) / "versions").glob("*/bin/python3.*")
    hidden = [str(file) for file in sorted(versions) if file.name in names]
    return [*on_path, *hidden]


async def _version(program: str) -> Version | None:
    process = await asyncio.create_subprocess_exec(
        program,
        "-c",
        _ASK,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_ASK_SECONDS):
            said, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return None
    text = said.decode(errors="replace").strip()
    return Version(text) if process.returncode == 0 and _VERSION.fullmatch(text) else None
