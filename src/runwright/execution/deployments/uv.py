"""Runs uv, which builds Environments, within limits for time and size."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

from uv import find_uv_bin

from runwright import config
from runwright.config import Settings
from runwright.errors import AuthorError

Report = Callable[[str], Awaitable[None]]
"""Reports progress to the person who deploys."""
_SIZE_SECONDS = 2.0
_MAX_OUTPUT_LINES = 200


class Uv:
    """One build; its time limit starts now."""

    def __init__(self, settings: Settings, folder: Path, report: Report) -> None:
        self._settings = settings
        self._folder = folder
        self._report = report
        seconds = settings.environment_timeout.total_seconds()
        self._deadline = asyncio.get_running_loop().time() + seconds

    async def run(self, arguments: list[str], cwd: Path, *, is_told: bool = True) -> None:
        """Run uv in a folder, reporting its output line by line if `is_told`.

        Raises:
            AuthorError: uv failed, with its output; or it took too long, or the folder grew too large.
        """
        running = asyncio.create_task(self._run(arguments, cwd, is_told=is_told))
        watching = asyncio.create_task(self._watch_size())
        try:
            await asyncio.wait({running, watching}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (running, watching):
                task.cancel()
            await asyncio.gather(running, watching, return_exceptions=True)
        for task in (watching, running):
            if not task.cancelled():
                task.result()

    async def _run(self, arguments: list[str], cwd: Path, *, is_told: bool) -> None:
        home = self._settings.data_dir / "build-home"
        home.mkdir(parents=True, exist_ok=True)
        process = await asyncio.create_subprocess_exec(
            find_uv_bin(),
            "--no-progress",
            "--color=never",
            *arguments,
            cwd=cwd,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=config.build_environment(home),
            start_new_session=True,
        )
        said: list[str] = []
        try:
            async with asyncio.timeout_at(self._deadline):
                assert process.stdout is not None
                async for line in process.stdout:
                    said.append(line.decode(errors="replace").rstrip())
                    if is_told:
                        await self._report(said[-1])
                code = await process.wait()
        except TimeoutError as error:
            raise AuthorError(
                "Building the environment took too long: require less, or have the operator raise "
                "`RUNWRIGHT_ENVIRONMENT_TIMEOUT`."
            ) from error
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        if code != 0:
            raise AuthorError(
                "The environment could not be built:\n" + "\n".join(said[-_MAX_OUTPUT_LINES:])
            )

    async def _watch_size(self) -> None:
        limit = self._settings.max_environment_bytes
        while True:
            await asyncio.sleep(_SIZE_SECONDS)
            held = await asyncio.to_thread(_size_bytes, self._folder)
            if held > limit:
                raise AuthorError(
                    f"The environment is larger than {limit // 2**20} MiB: require less, or have the "
                    "operator raise `RUNWRIGHT_MAX_ENVIRONMENT_BYTES`."
                )


def _size_bytes(folder: Path) -> int:
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += os.lstat(os.path.join(path, name)).st_size  # noqa: PTH118 - fast
    return total
