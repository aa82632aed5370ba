"""A Runner's process as its Worker sees it: started with an environment made from nothing, heard, killed whole."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from runwright import protocol, socket_folders, telemetry
from runwright.execution import process_trees

log = telemetry.logger(__name__)

_EVENTS_KEPT = 10_000
_BYTES_KEPT = 128 * 1024 * 1024
"""Of events that nobody has received yet, give or take one of them."""
_TEMPORARY = "tmp"
_PROFILE_SOCKET_BYTES = len("playwright_chromiumdev_profile-XXXXXX/SingletonSocket")


@dataclass(frozen=True, kw_only=True, slots=True)
class RawLine:
    """A line on the process's own stdout or stderr: of a subprocess, of C code, of a crash."""

    stream: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Exited:
    """The process is gone; nothing follows."""

    code: int
    """The exit code, negative for a signal."""
    description: str


Event = protocol.Message | RawLine | Exited


class RunnerProcess:
    """One Runner: `send` it messages, `receive` its events, `kill` it and all it started."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        directory: Path,
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self._directory = directory
        self._events: asyncio.Queue[tuple[Event, int]] = asyncio.Queue(_EVENTS_KEPT)
        self._kept_bytes = 0
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._exited: Exited | None = None
        self._killing: asyncio.Task[None] | None = None
        self._is_killed_by_us = False
        self._last_memory_bytes = 0
        self._hear_live: Callable[[protocol.Message], None] | None = None
        self._tasks = [asyncio.create_task(self._hear(), name=f"runner {process.pid}")]

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    @property
    def files_directory(self) -> Path:
        """Return where the Runner puts files for us."""
        return self._directory / "files"

    async def send(self, message: protocol.Message) -> None:
        """Send one message.

        Raises:
            OSError: the Runner is gone.
        """
        self._writer.write(protocol.encode(message))
        await self._writer.drain()

    def hear_live(self, hear: Callable[[protocol.Message], None] | None) -> None:
        """Give what is seen of the Attempt to `hear`, at once and past the events; or to nobody."""
        self._hear_live = hear

    async def receive(self) -> Event:
        """Return the next event; after `Exited`, `Exited` again."""
        if self._exited is not None and self._events.empty():
            return self._exited
        event, size = await self._events.get()
        self._kept_bytes -= size
        if self._kept_bytes < _BYTES_KEPT:
            self._has_room.set()
        if isinstance(event, Exited):
            self._exited = event
        return event

    def memory_bytes(self) -> int:
        """Return the memory of the process and all below it, shared pages left out."""
        self._last_memory_bytes = max(
            sum(process_trees.own_bytes(pid) for pid in process_trees.tree(self.pid)),
            self._last_memory_bytes,
        )
        return self._last_memory_bytes

    async def kill(self) -> None:
        """Kill the process and all it started, reap them, and remove its directory."""
        if self._killing is None:
            self._is_killed_by_us = self._process.returncode is None
            self._killing = asyncio.create_task(self._kill())
        await asyncio.shield(self._killing)

    async def _kill(self) -> None:
        mark = str(self.files_directory)
        killed = await process_trees.kill_tree(self.pid, mark)
        await self._process.wait()
        # What it started are our children now, and nobody else waits for them.
        process_trees.reap(killed - {self.pid})
        self._writer.close()
        for task in self._tasks:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.shield(task), 2)
            task.cancel()
        await asyncio.to_thread(_remove, self._directory)

    async def _hear(self) -> None:
        """Put everything that comes in on one queue, then the end."""
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        lines = [
            asyncio.create_task(self._hear_lines(self._process.stdout, "stdout")),
            asyncio.create_task(self._hear_lines(self._process.stderr, "stderr")),
        ]
        await self._hear_messages()
        code = await self._process.wait()
        # A grandchild may hold the pipes open; what it says after the end is of no account.
        await asyncio.wait(lines, timeout=0.5)
        for task in lines:
            task.cancel()
        await self._events.put((Exited(code=code, description=self._describe(code)), 0))

    async def _keep(self, event: Event, size: int) -> None:
        """Keep an event until it is received; one that says too much meanwhile is not read from."""
        await self._has_room.wait()
        self._kept_bytes += size
        if self._kept_bytes >= _BYTES_KEPT:
            self._has_room.clear()
        await self._events.put((event, size))

    async def _hear_messages(self) -> None:
        try:
            while line := await self._reader.readline():
                message = protocol.decode(line)
                if isinstance(
                    message, protocol.Frame | protocol.Pages | protocol.Copied | protocol.Choices
                ):
                    if self._hear_live is not None:
                        self._hear_live(message)
                    continue
                await self._keep(message, len(line))
        except (OSError, ValueError, protocol.ProtocolError) as error:
            # One that is killed before it has read all that it was sent resets the connection.
            if not isinstance(error, ConnectionResetError):
                log.warning(
                    "runner said what is no message", event_name="runner_garbled", error=str(error)
                )
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    async def _hear_lines(self, pipe: asyncio.StreamReader, stream: str) -> None:
        while True:
            try:
                line = await pipe.readline()
            except ValueError:
                # Longer than the reader's limit: what was read is dropped by the reader itself.
                continue
            if not line:
                return
            text = line.decode(errors="replace").rstrip("\r\n")
            await self._keep(RawLine(stream=stream, text=text), len(line))

    def _describe(self, code: int) -> str:
        if code >= 0:
            return f"it ended itself with exit code {code}"
        name = signal.Signals(-code).name
        if code == -signal.SIGKILL and not self._is_killed_by_us:
            held = self._last_memory_bytes // 2**20
            return (
                f"it was killed ({name}), probably for memory; at the last look it held {held} MiB"
            )
        return f"it was ended by the signal {name}"


async def launch(
    *, python: Path, directory: Path, author_side: Path, environment: dict[str, str]
) -> RunnerProcess:
    """Start a Runner in a directory of its own, which is removed when it is killed.

    `environment` is all that it inherits besides what makes it a Runner.
    """
    for name in ("files", "home"):
        (directory / name).mkdir(parents=True, mode=0o700)
    # Chromium keeps a socket in its profile there.
    temporary = _make_temporary_folder()
    (directory / _TEMPORARY).symlink_to(temporary)
    ours, theirs = socket.socketpair()
    variables = {
        **environment,
        "HOME": str(directory / "home"),
        "TMPDIR": str(temporary),
        "PYTHONPATH": str(author_side),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONFAULTHANDLER": "1",
        "PYTHONUNBUFFERED": "1",
        "NODE_COMPILE_CACHE": str(author_side.parent / "node-compile-cache"),
        protocol.SOCKET_FD_VARIABLE: str(theirs.fileno()),
        protocol.RUNNER_ID_VARIABLE: str(directory / "files"),
    }
    try:
        process = await asyncio.create_subprocess_exec(
            str(python),
            "-P",
            "-s",
            "-m",
            "runwright.runner.main",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=variables,
            cwd=directory,
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
            preexec_fn=process_trees.die_with_parent,
        )
        reader, writer = await asyncio.open_connection(sock=ours, limit=protocol.MAX_LINE_BYTES)
    except BaseException:
        # A Runner whose socket is closed ends by itself.
        ours.close()
        await asyncio.to_thread(_remove, directory)
        raise
    finally:
        theirs.close()
    return RunnerProcess(process, reader, writer, directory)


def try_temporary_folder() -> None:
    """See that this machine has a temporary folder for a Runner.

    Raises:
        ConfigError: it has none; says what to do.
    """
    _make_temporary_folder().rmdir()


def _make_temporary_folder() -> Path:
    return socket_folders.make("rw-", inside_bytes=_PROFILE_SOCKET_BYTES)


def sweep_leftovers(directory: Path) -> None:
    """Kill what the Runners of a dead Worker left alive, and remove the folder that each has."""
    for home in directory.iterdir():
        for process in process_trees.marked(str(home / "files")):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        _remove(home)


def _remove(directory: Path) -> None:
    """Remove a Runner's folder, and its temporary one, which lies elsewhere."""
    with contextlib.suppress(OSError):
        shutil.rmtree((directory / _TEMPORARY).readlink(), ignore_errors=True)
    shutil.rmtree(directory, ignore_errors=True)
