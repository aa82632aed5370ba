"""The processes of an installation under test, restarted whenever they die, and its PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from chaos import links
from chaos.links import Link
from chaos.replicas import Replicas
from helpers.server import environment

from runwright.storage.postgres import cluster

_READY_SECONDS = 60
_END_SECONDS = 60


@dataclass(eq=False, kw_only=True)
class Member:
    """A server or a worker."""

    name: str
    arguments: list[str]
    environment: dict[str, str]
    log_file: Path
    link: Link
    process: asyncio.subprocess.Process | None = None
    is_wanted: bool = True
    is_ready: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while it runs and has said that it is ready."""
    exits: list[int] = field(default_factory=list[int])

    async def start(self) -> None:
        """Start it, and return when it says that it is ready."""
        with self.log_file.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "runwright",
                *self.arguments,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=self.environment,
            )
        assert self.process.stdout is not None
        async with asyncio.timeout(_READY_SECONDS):
            line = await self.process.stdout.readline()
        if b"is ready" in line:
            self.is_ready.set()
        else:
            await self.process.wait()

    async def keep(self) -> None:
        """Start it again whenever it has died, as an operator's supervisor does."""
        while True:
            assert self.process is not None
            code = await self.process.wait()
            self.is_ready.clear()
            self.exits.append(code)
            if not self.is_wanted:
                return
            await asyncio.sleep(0.2)
            await self.start()

    async def end(self) -> int:
        """Stop it in good order, and return its exit code."""
        self.is_wanted = False
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(_END_SECONDS):
            return await self.process.wait()

    def signal(self, number: int) -> bool:
        """Send it a signal; return whether it was there."""
        assert self.process is not None
        if self.process.returncode is not None:
            return False
        self.process.send_signal(number)
        return True

    def below(self, what: str) -> list[psutil.Process]:
        """Return those of its descendants that are a `runner`, `browser`, `renderer` or `driver`."""
        assert self.process is not None
        found: list[psutil.Process] = []
        with contextlib.suppress(psutil.Error):
            for each in psutil.Process(self.process.pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if _kind(each.cmdline()) == what:
                        found.append(each)
        return found


@dataclass(eq=False, kw_only=True)
class Installation:
    """A PostgreSQL, a server and workers, each with a network of its own."""

    directory: Path
    temporary: Path
    postgresql: Replicas
    server: Member
    workers: list[Member]
    url: str
    keeping: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]])

    @property
    def members(self) -> list[Member]:
        """Return the server and the workers."""
        return [self.server, *self.workers]

    @property
    def server_directory(self) -> Path:
        """Return the data directory of the server."""
        return self.directory / self.server.name

    @property
    def database_url(self) -> str:
        """Return how the test itself reaches PostgreSQL."""
        return self.postgresql.server.url

    async def begin(self) -> None:
        """Start all, the server first."""
        for member in self.members:
            await member.start()
            self.keeping.append(asyncio.create_task(member.keep()))

    async def end(self) -> dict[str, int]:
        """Stop all in good order, and return the exit codes."""
        codes = {member.name: await member.end() for member in reversed(self.members)}
        await asyncio.gather(*self.keeping)
        return codes

    async def kill_postgresql(self) -> None:
        """Kill PostgreSQL's postmaster and start it again."""
        server = self.postgresql.server
        os.kill(server.pid, signal.SIGKILL)
        assert server._process is not None
        await server._process.wait()
        await server.start()

    async def stop_postgresql(self, seconds: float) -> None:
        """Stop PostgreSQL for a while."""
        server = self.postgresql.server
        await server.stop()
        await asyncio.sleep(seconds)
        await server.start()

    async def fail_over(self, seconds: float, *, is_silent: bool) -> None:
        """Lose the primary, and have the standby take over after a while; then there is another standby.

        Until then every network leads to a server that takes no writes. If it is silent, connections to the lost
        one are not heard to be broken, as where a host has vanished.
        """
        for member in self.members:
            if is_silent:
                member.link.lose()
        await self.postgresql.lose_primary()
        for member in self.members:
            member.link.lead_to(self.postgresql.place.sockets)
        await asyncio.sleep(seconds)
        await self.postgresql.promote()
        await self.postgresql.attach()


@asynccontextmanager
async def installation(
    directory: Path, *, workers: int, is_replicated: bool = False, **settings: str
) -> AsyncGenerator[Installation]:
    """Prepare an installation in the directory; `begin` starts it, and the end kills what is left."""
    place = await asyncio.to_thread(cluster.prepare, _made(directory / "pg"))
    postgresql = Replicas(place)
    temporary = _made(directory / "tmp")
    shared = _made(directory / "shared")
    port = _free_port()
    url = f"http://127.0.0.1:{port}"

    async def member(name: str, *arguments: str) -> Member:
        link = await stack.enter_async_context(links.link(place.sockets))
        return Member(
            name=name,
            arguments=[arguments[0], "--data-dir", str(directory / name), *arguments[1:]],
            environment=environment(
                RUNWRIGHT_DATABASE_URL=link.url,
                RUNWRIGHT_BLOBS=f"file://{shared}",
                RUNWRIGHT_SECRET_KEY="one for all",
                RUNWRIGHT_URL=url,
                TMPDIR=str(temporary),
                **settings,
            ),
            log_file=directory / f"{name}.log",
            link=link,
        )

    async with AsyncExitStack() as stack:
        stack.callback(cluster.leave, place)
        await postgresql.start()
        stack.push_async_callback(postgresql.stop)
        if is_replicated:
            await postgresql.attach()
        found = Installation(
            directory=directory,
            temporary=temporary,
            postgresql=postgresql,
            server=await member("server", "serve", "--no-worker", "--port", str(port)),
            workers=[await member(f"worker-{number}", "worker") for number in range(workers)],
            url=url,
        )
        try:
            yield found
        finally:
            await _kill(found)


async def _kill(found: Installation) -> None:
    for member in found.members:
        member.is_wanted = False
        process = member.process
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()
    for task in found.keeping:
        task.cancel()
    await asyncio.gather(*found.keeping, return_exceptions=True)


def _kind(command: list[str]) -> str:
    text = " ".join(command)
    if "runwright.runner.main" in text:
        return "runner"
    if "run-driver" in text:
        return "driver"
    if "--type=renderer" in text:
        return "renderer"
    if "--remote-debugging-pipe" in text and "--type=" not in text and "chrom" in text:
        return "browser"
    return ""


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
