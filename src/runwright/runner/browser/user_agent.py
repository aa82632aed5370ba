"""The browser's user agent: Chrome's own, without the word Headless."""

from __future__ import annotations

import asyncio
import re
import sys

_SWITCH = "--user-agent="
_VERSION = re.compile(r"(\d+)\.\d+\.\d+\.\d+")
_VERSION_SECONDS = 10.0
# Chrome reports these platforms and only the major version, whatever the machine.
_SYSTEM = "Macintosh; Intel Mac OS X 10_15_7" if sys.platform == "darwin" else "X11; Linux x86_64"


def of_version(version: str) -> str | None:
    """The user agent of that version of Chrome (`156.0.8078.108`, or text that contains it)."""
    found = _VERSION.search(version)
    if found is None:
        return None
    return (
        f"Mozilla/5.0 ({_SYSTEM}) AppleWebKit/537.36 (KHTML, like Gecko) "
        f"Chrome/{found.group(1)}.0.0.0 Safari/537.36"
    )


async def of_program(executable: str) -> str | None:
    """The user agent of the browser at that path; None when it does not print its version."""
    try:
        process = await asyncio.create_subprocess_exec(
            executable,
            "--version",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return None
    try:
        async with asyncio.timeout(_VERSION_SECONDS):
            told, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return None
    return of_version(told.decode(errors="replace"))


def among(arguments: tuple[str, ...]) -> str | None:
    """The user agent set by launch arguments; the last one counts."""
    named = [each[len(_SWITCH) :] for each in arguments if each.startswith(_SWITCH)]
    return named[-1] if named else None


def switch(agent: str) -> str:
    """The launch argument that sets the user agent of every context and worker of a browser."""
    return _SWITCH + agent
