"""A Runner's process as its Worker sees it: started with a clean environment, listened to, killed with its tree."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from runwright import protocol, telemetry
from runwright.execution.runners import reaper, runner_folders
from runwright.execution.runners.author_output import AuthorOutput

log = telemetry.logger(__name__)

_EVENTS_KEPT = 10_000
_BYTES_KEPT = 128 * 1024 * 1024
"""Limits for events not received yet; exceeded by at most one event."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Exited:
    """The process is gone; no event follows."""

    code: int
    """The exit code, negative for a signal."""
    description: str


Event = protocol.Message | Exited


class RunnerProcess:
    """One Runner: `send` it messages, `receive` its events, `kill` it and all it started."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        channel: socket.socket,
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        outputs: Mapping[str, int],
        directory: Path,
    ) -> None:
        """Take over the process and its connections.

        `streams` read and write the `channel`; `outputs` are the pipes of its stdout and stderr.
        """
        self._process = process
        self._socket = channel
        self._reader, self._writer = streams
        self._outputs = [
            AuthorOutput(descriptor, stream, self._keep) for stream, descriptor in outputs.items()
        ]
        self._directory = directory
        self._events: asyncio.Queue[tuple[Event, int]] = asyncio.Queue()
        self._kept_bytes = 0
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._exited: Exited | None = None
        self._killing: asyncio.Task[None] | None = None
        self._why_killed: str | None = None
        self._last_memory_bytes = 0
        self._hear_live: Callable[[protocol.Message], None] | None = None
        self._tasks = [asyncio.create_task(self._hear(), name=f"runner {process.pid}")]

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def files_directory(self) -> Path:
        """The folder where the Runner puts files for us."""
        return self._directory / "files"

    async def send(self, message: protocol.Message) -> None:
        """Send one message.

        Raises:
            OSError: the Runner is gone.
        """
        self._writer.write(protocol.encode(message))
        await self._writer.drain()

    def hear_live(self, hear: Callable[[protocol.Message], None] | None) -> None:
        """Pass live view messages to `hear` immediately, bypassing the event queue; None drops them."""
        self._hear_live = hear

    async def receive(self) -> Event:
        """Return the next event; after `Exited`, always `Exited`."""
        if self._exited is not None and self._events.empty():
            return self._exited
        event, size = await self._events.get()
        self._kept_bytes -= size
        if not self._has_room.is_set() and not self._is_full:
            self._go_on()
        if isinstance(event, Exited):
            self._exited = event
        return event

    @property
    def waiting(self) -> int:
        """The number of events not received yet."""
        return self._events.qsize()

    def memory_bytes(self) -> int:
        """Memory of the process tree without shared pages; the highest value seen so far."""
        self._last_memory_bytes = max(
            sum(reaper.own_bytes(pid) for pid in reaper.tree(self.pid)),
            self._last_memory_bytes,
        )
        return self._last_memory_bytes

    async def kill(self) -> None:
        """Kill the process and everything it started, reap them, and remove its directory."""
        if self._killing is None:
            if self._process.returncode is None:
                self._why_killed = self._why_killed or "it was no longer needed"
            self._killing = asyncio.create_task(self._kill())
        await asyncio.shield(self._killing)

    async def _kill(self) -> None:
        mark = str(self.files_directory)
        killed = await reaper.kill_tree(self.pid, mark)
        await self._process.wait()
        # What it started is our child now, and nothing else waits for it.
        reaper.reap(killed - {self.pid})
        self._writer.close()
        for task in self._tasks:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.shield(task), 2)
            task.cancel()
        await asyncio.to_thread(runner_folders.remove, self._directory)

    async def _hear(self) -> None:
        """Put everything received on one queue, followed by `Exited`."""
        for output in self._outputs:
            output.listen()
        hearing = asyncio.create_task(self._hear_messages())
        try:
            code = await self._process.wait()
            with contextlib.suppress(OSError):
                # Its last messages can still be read. Without this, a child could keep the other end open forever.
                self._socket.shutdown(socket.SHUT_RD)
            await hearing
        finally:
            hearing.cancel()
            for output in self._outputs:
                output.close()
        self._keep(Exited(code=code, description=self._describe(code)), 0)

    def _keep(self, event: Event, size: int) -> None:
        """Queue an event; once too much is queued, stop reading from the Runner."""
        self._events.put_nowait((event, size))
        self._kept_bytes += size
        if self._is_full and self._has_room.is_set():
            self._has_room.clear()
            for output in self._outputs:
                output.pause()

    @property
    def _is_full(self) -> bool:
        return self._kept_bytes >= _BYTES_KEPT or self._events.qsize() >= _EVENTS_KEPT

    def _go_on(self) -> None:
        self._has_room.set()
        for output in self._outputs:
            output.listen()

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
                await self._has_room.wait()
                # Output printed before this message comes before it.
                for output in self._outputs:
                    output.read()
                    if isinstance(message, protocol.Ended):
                        output.end_line()
                self._keep(message, len(line))
        except (OSError, ValueError, protocol.ProtocolError) as error:
            # A Runner killed before it has read all its messages resets the connection.
            if isinstance(error, ConnectionResetError):
                return
            log.warning(
                "runner sent an invalid message", event_name="runner_garbled", error=str(error)
            )
            self._why_killed = "it sent an invalid message"
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def _describe(self, code: int) -> str:
        if code >= 0:
            return f"it exited with code {code}"
        if self._why_killed is not None:
            return f"Runwright killed it: {self._why_killed}"
        name = signal.Signals(-code).name
        if code != -signal.SIGKILL:
            return f"it was killed by the signal {name}"
        held = self._last_memory_bytes // 2**20
        seen = f"; it last used {held} MiB" if held else ""
        return f"it was killed ({name}), probably because memory ran out{seen}"


async def launch(
    *, python: Path, directory: Path, author_side: Path, environment: dict[str, str]
) -> RunnerProcess:
    """Start a Runner in its own directory, which is removed when it is killed.

    `environment` is everything it inherits, apart from the variables that make it a Runner.
    """
    for name in ("files", "home"):
        (directory / name).mkdir(parents=True, mode=0o700)
    # Chromium's profile in there contains a socket, whose path must be short.
    temporary = runner_folders.make_temporary()
    (directory / runner_folders.TEMPORARY).symlink_to(temporary)
    ours, theirs = socket.socketpair()
    outputs, inputs = _pipes("stdout", "stderr")
    # A separate open file description of the same pipe: Node changes flags on its own, not on the author's.
    inputs["driver"] = os.open(f"/proc/self/fd/{inputs['stderr']}", os.O_WRONLY)
    variables = {
        **environment,
        "HOME": str(directory / "home"),
        "TMPDIR": str(temporary),
        "PYTHONPATH": str(author_side),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONFAULTHANDLER": "1",
        "NODE_COMPILE_CACHE": str(author_side.parent / "node-compile-cache"),
        protocol.SOCKET_FD_VARIABLE: str(theirs.fileno()),
        protocol.DRIVER_STDERR_VARIABLE: str(inputs["driver"]),
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
            stdout=inputs["stdout"],
            stderr=inputs["stderr"],
            env=variables,
            cwd=directory,
            pass_fds=(theirs.fileno(), inputs["driver"]),
            start_new_session=True,
            preexec_fn=reaper.die_with_parent,
        )
        streams = await asyncio.open_connection(sock=ours, limit=protocol.MAX_LINE_BYTES)
    except BaseException:
        # A Runner whose socket is closed exits by itself.
        ours.close()
        for descriptor in outputs.values():
            os.close(descriptor)
        await asyncio.to_thread(runner_folders.remove, directory)
        raise
    finally:
        theirs.close()
        for descriptor in inputs.values():
            os.close(descriptor)
    return RunnerProcess(process, ours, streams, outputs, directory)


def _pipes(*names: str) -> tuple[dict[str, int], dict[str, int]]:
    """Create pipes; return their read ends and write ends, by name."""
    pipes = {name: os.pipe() for name in names}
    return (
        {name: pipe[0] for name, pipe in pipes.items()},
        {name: pipe[1] for name, pipe in pipes.items()},
    )
