"""A Runner's process as its Worker sees it: started with an environment made from nothing, heard, killed whole.

Playwright starts Chromium in a session of its own, so a process group is not the whole tree. What
belongs to a Runner is found three ways: as descendants, by the mark in its environment, and, because the
Worker is a child subreaper, among the Worker's own children once their parents are gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import hashlib
import os
import shutil
import signal
import socket
import sys
import tempfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import psutil

from runwright import protocol, telemetry

log = telemetry.logger(__name__)

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LIBC: ctypes.CDLL | None = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_AUTHOR_SIDE = ("__init__.py", "protocol.py", "redaction.py", "sdk", "runner", "compat")
_KILL_ROUNDS = 50
_KILL_PAUSE_SECONDS = 0.02
_EVENTS_KEPT = 10_000
_TEMPORARY = "tmp"


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
        self._events: asyncio.Queue[Event] = asyncio.Queue(_EVENTS_KEPT)
        self._exited: Exited | None = None
        self._killing: asyncio.Task[None] | None = None
        self._is_killed_by_us = False
        self._last_memory_bytes = 0
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

    async def receive(self) -> Event:
        """Return the next event; after `Exited`, `Exited` again."""
        if self._exited is not None and self._events.empty():
            return self._exited
        event = await self._events.get()
        if isinstance(event, Exited):
            self._exited = event
        return event

    def memory_bytes(self) -> int:
        """Return the memory of the process and all below it, shared pages left out."""
        self._last_memory_bytes = max(
            sum(_own_bytes(process) for process in _tree(self.pid)), self._last_memory_bytes
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
        killed = await kill_tree(self.pid, mark)
        await self._process.wait()
        # What it started are our children now, and nobody else waits for them.
        _reap(killed - {self.pid})
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
        await self._events.put(Exited(code=code, description=self._describe(code)))

    async def _hear_messages(self) -> None:
        try:
            while line := await self._reader.readline():
                await self._events.put(protocol.decode(line))
        except (OSError, ValueError, protocol.ProtocolError) as error:
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
            await self._events.put(RawLine(stream=stream, text=text))

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
    # Chromium keeps a socket in it, whose whole path may have 107 bytes.
    temporary = tempfile.mkdtemp(prefix="rw-")
    (directory / _TEMPORARY).symlink_to(temporary)
    ours, theirs = socket.socketpair()
    variables = {
        **environment,
        "HOME": str(directory / "home"),
        "TMPDIR": temporary,
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
            preexec_fn=_die_with_parent,
        )
    finally:
        theirs.close()
    reader, writer = await asyncio.open_connection(sock=ours, limit=protocol.MAX_LINE_BYTES)
    return RunnerProcess(process, reader, writer, directory)


def stage_author_side(directory: Path) -> Path:
    """Copy what authors' interpreters need of this package to a folder named by its content."""
    package = Path(str(resources.files("runwright")))
    files = sorted(
        file
        for name in _AUTHOR_SIDE
        for file in (
            [package / name] if (package / name).is_file() else (package / name).rglob("*.py")
        )
    )
    digest = hashlib.sha256()
    for file in files:
        digest.update(str(file.relative_to(package)).encode() + b"\0" + file.read_bytes())
    target = directory / digest.hexdigest()[:16]
    if target.is_dir():
        return target
    building = directory / f"{target.name}.{os.getpid()}.building"
    for file in files:
        copy = building / "runwright" / file.relative_to(package)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    try:
        building.rename(target)
    except OSError:
        # Another worker was faster; the content is the same by its name.
        shutil.rmtree(building)
    return target


def become_subreaper() -> None:
    """Have orphans below this process become its children, so that it can reap them."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap_orphans() -> int:
    """Reap dead children that asyncio does not wait for; return how many."""
    reaped = 0
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error, ChildProcessError):
            # asyncio's own children are waited for at once; one that stays a zombie is an orphan.
            if child.status() == psutil.STATUS_ZOMBIE and child.pid in _zombies_seen:
                os.waitpid(child.pid, os.WNOHANG)
                reaped += 1
    _zombies_seen.clear()
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if child.status() == psutil.STATUS_ZOMBIE:
                _zombies_seen.add(child.pid)
    return reaped


_zombies_seen: set[int] = set()


async def kill_tree(pid: int, mark: str) -> set[int]:
    """Kill a process, all below it and all that carries the mark, until none is left; return them."""
    killed: set[int] = set()
    for _ in range(_KILL_ROUNDS):
        alive = [each for each in {*_tree(pid), *_marked(mark)} if _is_alive(each)]
        if not alive:
            return killed
        killed |= {each.pid for each in alive}
        for each in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        await asyncio.sleep(_KILL_PAUSE_SECONDS)
    log.error("processes of a runner survive being killed", event_name="runner_immortal", pid=pid)
    return killed


def _reap(pids: set[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def sweep_leftovers(directory: Path) -> None:
    """Kill what the Runners of a dead Worker left alive, and remove the folder that each has."""
    for home in directory.iterdir():
        for process in _marked(str(home / "files")):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        _remove(home)


def _remove(directory: Path) -> None:
    """Remove a Runner's folder, and its temporary one, which lies elsewhere."""
    with contextlib.suppress(OSError):
        shutil.rmtree((directory / _TEMPORARY).readlink(), ignore_errors=True)
    shutil.rmtree(directory, ignore_errors=True)


def _tree(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _marked(mark: str) -> list[psutil.Process]:
    wanted = f"{protocol.RUNNER_ID_VARIABLE}={mark}".encode()
    found: list[psutil.Process] = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError, psutil.NoSuchProcess):
            if wanted in entry.read_bytes().split(b"\0"):
                found.append(psutil.Process(int(entry.parent.name)))
    return found


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _own_bytes(process: psutil.Process) -> int:
    try:
        memory = process.memory_info()
    except psutil.Error:
        return 0
    return memory.rss - getattr(memory, "shared", 0)


def _die_with_parent() -> None:
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
