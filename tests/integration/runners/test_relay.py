"""A viewer leaves at an awkward moment: nothing of it remains, and no Worker waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import WebSocket
from helpers.server import eventually_async

from runwright.control.base.platform import Platform
from runwright.control.runs import live, runs
from runwright.domain.live import Ticket
from runwright.domain.runs import RunRequest
from runwright.web.server.relay import Relay


class _Socket:
    """The server's end of a WebSocket, and what the other side of it does."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.takes = asyncio.Event()
        """While it is not set, the other side takes nothing."""
        self.takes.set()
        self._said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.say("connect")
        self.server = WebSocket({"type": "websocket"}, self._said.get, self._send)

    def say(self, what: str, **more: Any) -> None:
        self._said.put_nowait({"type": f"websocket.{what}", **more})

    @property
    def is_closed(self) -> bool:
        return bool(self.sent) and self.sent[-1]["type"] == "websocket.close"

    async def _send(self, message: Any) -> None:
        self.sent.append(message)
        await self.takes.wait()


class _Watching:
    """A person who watches a Run, and the Worker that is asked to show it."""

    def __init__(self, platform: Platform, ticket: Ticket) -> None:
        self._platform = platform
        self._ticket = ticket
        self.relay = Relay(platform)
        self.person = _Socket()
        self.worker = _Socket()
        self.showing: asyncio.Task[None] | None = None
        self.taking: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Watch, until a Worker is asked for."""
        await self.person.server.accept()
        self.showing = asyncio.create_task(self.relay.show(self.person.server, self._ticket))
        await eventually_async(self._is_asked)

    async def dial(self) -> None:
        """Have the Worker take the request and dial, until it is let in."""
        (request,) = await live.take(self._platform, [self._ticket.run_id])
        proof = live.proof(self._platform, request.id)
        taking = self.relay.take_worker(self.worker.server, request.id, proof)
        self.taking = asyncio.create_task(taking)
        await eventually_async(self._is_let_in)

    def leave(self) -> None:
        self.person.say("disconnect", code=1001)

    async def _is_asked(self) -> bool:
        return await self._platform.database.fetchval("SELECT count(*) FROM live_requests") == 1

    async def _is_let_in(self) -> bool:
        return bool(self.worker.sent)


async def _before_a_worker_comes(watching: _Watching) -> None:
    await watching.begin()
    watching.leave()


async def _while_a_worker_is_let_in(watching: _Watching) -> None:
    await watching.begin()
    watching.worker.takes.clear()
    await watching.dial()
    watching.leave()
    assert watching.showing is not None
    await watching.showing
    watching.worker.takes.set()


async def _as_the_worker_comes(watching: _Watching) -> None:
    await watching.begin()
    watching.worker.takes.clear()
    await watching.dial()
    watching.worker.takes.set()
    watching.leave()


async def _just_before_the_worker_comes(watching: _Watching) -> None:
    await watching.begin()
    watching.worker.takes.clear()
    await watching.dial()
    watching.leave()
    watching.worker.takes.set()


async def _while_it_is_shown(watching: _Watching) -> None:
    await watching.begin()
    await watching.dial()
    watching.worker.say("receive", bytes=b"frame")

    async def is_shown() -> bool:
        return {"type": "websocket.send", "bytes": b"frame"} in watching.person.sent

    await eventually_async(is_shown)
    watching.leave()


@pytest.mark.parametrize(
    "moment",
    [
        _before_a_worker_comes,
        _while_a_worker_is_let_in,
        _as_the_worker_comes,
        _just_before_the_worker_comes,
        _while_it_is_shown,
    ],
)
async def test_who_leaves_at_any_moment_leaves_nothing_behind(
    platform: Platform,
    make_project: Callable[..., Any],
    moment: Callable[[_Watching], Any],
) -> None:
    project = await make_project()
    request = RunRequest(api="a", parameters={})
    run = await runs.start(platform, project, request, idempotency_key=None, request_text="")
    until = datetime.now(UTC) + timedelta(hours=1)
    ticket = Ticket(run_id=run.id, can_control=False, watcher="w", expires_at=until)
    before = asyncio.all_tasks()
    watching = _Watching(platform, ticket)

    await moment(watching)
    assert watching.showing is not None
    await watching.showing
    if watching.taking is not None:
        await watching.taking

    assert watching.taking is None or watching.worker.is_closed
    assert (watching.relay._awaited, watching.relay._viewers) == ({}, 0)
    assert await platform.database.fetchval("SELECT count(*) FROM live_requests") == 0
    assert asyncio.all_tasks() <= before
