"""Asks the person at the terminal when an automation runs without a server."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable

from runwright import protocol
from runwright.execution.runners.runner_process import RunnerProcess


class TerminalQuestions:
    """Asks one question at a time on stdin."""

    def __init__(self, runner: RunnerProcess, say: Callable[[str], None]) -> None:
        self._runner = runner
        self._say = say
        self._asking: asyncio.Task[None] | None = None

    async def take(self, message: protocol.Ask | protocol.Withdraw) -> None:
        """Ask, and send the typed line to the Runner; without a terminal nobody answers."""
        if isinstance(message, protocol.Withdraw):
            await self.close()
        else:
            self._start(message)

    async def close(self) -> None:
        """Stop asking."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    def _start(self, asked: protocol.Ask) -> None:
        self._say(f"{asked.question} (Enter when done)")
        self._asking = asyncio.create_task(self._ask(asked))

    async def _ask(self, asked: protocol.Ask) -> None:
        line = ""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(asked.timeout_seconds):
                line = await _line()
        text = line.rstrip("\r\n") if line else None
        with contextlib.suppress(OSError):
            await self._runner.send(protocol.Answer(id=asked.id, text=text))


async def _line() -> str:
    """Read a line of stdin with its line end; empty at the end of input. Can be canceled."""
    loop = asyncio.get_running_loop()
    readable: asyncio.Future[None] = loop.create_future()
    try:
        loop.add_reader(sys.stdin.fileno(), lambda: readable.done() or readable.set_result(None))
    except (OSError, ValueError):
        # A plain file, which never blocks; or no stdin at all.
        return sys.stdin.readline() if not sys.stdin.closed else ""
    try:
        await readable
    finally:
        loop.remove_reader(sys.stdin.fileno())
    return sys.stdin.readline()
