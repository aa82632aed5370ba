"""The faults injected under load: picked at random from a seed, one every few seconds."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import psutil
from chaos.members import Installation, Member

_UP_SHARE = 0.5
_UP_SECONDS = 20
_SILENT_SHARE = 0.5


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that went wrong."""

    what: str
    target: str
    began: float
    ended: float
    takes_attempts: bool
    """An Attempt may be lost by it; the database and the network alone must not do that."""


@dataclass(eq=False, kw_only=True)
class Faults:
    """Makes things go wrong until told to stop."""

    installation: Installation
    random: Random
    is_gentle: bool = False
    """Only what takes no Attempt with it: the server, the database and the way to it."""
    has_standby: bool = False
    """The database is lost for good, too, and its standby takes over."""
    pause: tuple[float, float]
    """Seconds between two faults, besides waiting for what is coming up."""
    freeze: tuple[float, float] = (5.0, 8.0)
    """Seconds that a worker is stopped for: longer than its heartbeat."""
    _postgresql: asyncio.Lock = field(default_factory=asyncio.Lock)
    happened: list[Fault] = field(default_factory=list[Fault])

    async def run(self, until: float) -> None:
        """Do harm until that time."""
        kinds: list[tuple[int, Callable[[], Coroutine[Any, Any, None]]]] = [
            (2, self._kill_server),
            (2, self._kill_postgresql),
            (2, self._stop_postgresql),
            (2, self._cut),
        ]
        if self.has_standby:
            # And time to work in between: each takes some seconds.
            kinds = [(1, self._kill_server), (2, self._fail_over), (1, self._cut)]
        if not self.is_gentle:
            kinds += [
                (3, self._kill_worker),
                (2, self._freeze_worker),
                (3, lambda: self._kill_below("runner")),
                (3, lambda: self._kill_below("browser")),
                (2, lambda: self._kill_below("renderer")),
                (2, lambda: self._kill_below("driver")),
                (2, self._refuse),
                (2, self._stall),
                (1, self._lose),
            ]
        deck: list[Callable[[], Coroutine[Any, Any, None]]] = []
        async with asyncio.TaskGroup() as group:
            while time.time() < until:
                if not deck:
                    # Each kind comes in every round, whatever the seed.
                    deck = [kind for weight, kind in kinds for _ in range(weight)]
                    self.random.shuffle(deck)
                group.create_task(deck.pop()())
                # One half hits what is up and at work, the other what may be coming up just now.
                if self.random.random() < _UP_SHARE:
                    await self._wait_until_up()
                await asyncio.sleep(self.random.uniform(*self.pause))

    async def _wait_until_up(self) -> None:
        """Wait for PostgreSQL, the server and the workers, but not for long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_UP_SECONDS):
                async with self._postgresql:
                    pass
                for member in self.installation.members:
                    await member.is_ready.wait()

    async def _kill_worker(self) -> None:
        worker = self._worker()
        with self._told("kill worker", worker.name, takes_attempts=True):
            worker.signal(signal.SIGKILL)
            await asyncio.sleep(1)

    async def _kill_server(self) -> None:
        with self._told("kill server", "server", takes_attempts=False):
            self.installation.server.signal(signal.SIGKILL)
            await asyncio.sleep(1)

    async def _freeze_worker(self) -> None:
        worker = self._worker()
        with self._told("freeze worker", worker.name, takes_attempts=True):
            process = worker.process
            worker.signal(signal.SIGSTOP)
            await asyncio.sleep(self.random.uniform(*self.freeze))
            with contextlib.suppress(ProcessLookupError):
                assert process is not None
                process.send_signal(signal.SIGCONT)

    async def _kill_below(self, what: str) -> None:
        worker = self._worker()
        found = worker.below(what)
        if not found:
            return
        with (
            self._told(f"kill {what}", worker.name, takes_attempts=True),
            contextlib.suppress(psutil.Error),
        ):
            self.random.choice(found).kill()
            await asyncio.sleep(0)

    async def _kill_postgresql(self) -> None:
        with self._told("kill PostgreSQL", "", takes_attempts=False):
            async with self._postgresql:
                await self.installation.kill_postgresql()

    async def _stop_postgresql(self) -> None:
        with self._told("stop PostgreSQL", "", takes_attempts=False):
            async with self._postgresql:
                await self.installation.stop_postgresql(self.random.uniform(0, 5))

    async def _fail_over(self) -> None:
        with self._told("fail over", "", takes_attempts=False):
            async with self._postgresql:
                await self.installation.fail_over(
                    self.random.uniform(0, 5), is_silent=self.random.random() < _SILENT_SHARE
                )

    async def _cut(self) -> None:
        member = self._member()
        with self._told("cut network", member.name, takes_attempts=False):
            member.link.cut()
            await asyncio.sleep(0)

    async def _refuse(self) -> None:
        member = self._member()
        with self._told("refuse network", member.name, takes_attempts=True):
            await member.link.refuse(self.random.uniform(0.5, 5))

    async def _stall(self) -> None:
        member = self._member()
        with self._told("stall network", member.name, takes_attempts=True):
            await member.link.stall(self.random.uniform(0.5, 5))

    async def _lose(self) -> None:
        member = self._member()
        with self._told("lose network", member.name, takes_attempts=True):
            member.link.lose()
            await asyncio.sleep(0)

    def _worker(self) -> Member:
        return self.random.choice(self.installation.workers)

    def _member(self) -> Member:
        return self.random.choice(self.installation.members)

    @contextlib.contextmanager
    def _told(self, what: str, target: str, *, takes_attempts: bool) -> Generator[None]:
        began = time.time()
        try:
            yield
        finally:
            self.happened.append(
                Fault(
                    what=what,
                    target=target,
                    began=began,
                    ended=time.time(),
                    takes_attempts=takes_attempts,
                )
            )
