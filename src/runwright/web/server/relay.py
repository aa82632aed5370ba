"""Connects a viewer with the Worker that holds the Run, and reconnects when another Worker takes over.

The Worker dials this server, so that a Worker needs no port of its own and may be behind NAT. The relay passes
messages through without interpreting them: frames one way, the viewer's input the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fastapi import WebSocket, WebSocketDisconnect

from runwright import db_errors, telemetry
from runwright.adapters import signals
from runwright.control.base.platform import Platform
from runwright.control.runs import live, runs
from runwright.domain.ids import RunId
from runwright.domain.live import Ticket
from runwright.domain.runs import Run, RunStatus
from runwright.errors import RequestError

log = telemetry.logger(__name__)

_MAX_VIEWERS = 200
_MAX_INPUT_LENGTH = 200_000
_DIAL_SECONDS = 2.0
_LOOK_SECONDS = 1.0
_PATIENT_MISSES = 4
_HINT = (
    "The worker that holds this run has not reached this server at {}. "
    "Check `RUNWRIGHT_INTERNAL_URL` and the worker's log."
)
_SILENT_HINT = (
    "The worker that holds this run is silent: stopped, or cut off. The run continues there once it is "
    "back, or with another worker."
)
_GONE, _FULL, _EXPIRED, _TOO_LONG, _BROKEN = 4404, 4429, 4408, 1009, 1011
_CLOSED = (RuntimeError, WebSocketDisconnect)
"""Raised by a send once the other side is gone."""


@dataclass(eq=False, kw_only=True, slots=True)
class _Dialed:
    """A Worker's connection, closed once `over` is set."""

    socket: WebSocket
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Relay:
    """All viewers of this server."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._awaited: dict[str, asyncio.Future[_Dialed]] = {}
        self._viewers = 0

    async def take_worker(self, socket: WebSocket, request_id: str, given: str) -> None:
        """Serve the connection of a Worker that answers a request; each request can be answered once."""
        awaited = self._awaited.get(request_id)
        if awaited is None or not live.is_proved(self._platform, request_id, given):
            await socket.close(_GONE)
            return
        del self._awaited[request_id]
        await socket.accept()
        dialed = _Dialed(socket=socket)
        if not awaited.done():
            awaited.set_result(dialed)
            await dialed.over.wait()
        with contextlib.suppress(*_CLOSED):
            await socket.close()

    async def show(self, socket: WebSocket, ticket: Ticket) -> None:
        """Show a Run on an accepted connection until the Run ends, the viewer leaves, or the ticket expires."""
        if self._viewers >= _MAX_VIEWERS:
            await socket.close(_FULL, "this server has too many viewers")
            return
        self._viewers += 1
        viewer = _Viewer(self._platform, self._awaited, socket, ticket)
        try:
            await viewer.serve()
        finally:
            self._viewers -= 1


class _Viewer:
    """One viewer: the connection stays open, whichever Worker is at the other end."""

    def __init__(
        self,
        platform: Platform,
        awaited: dict[str, asyncio.Future[_Dialed]],
        socket: WebSocket,
        ticket: Ticket,
    ) -> None:
        self._platform = platform
        self._awaited = awaited
        self._socket = socket
        self._ticket = ticket
        self._worker: _Dialed | None = None

    async def serve(self) -> None:
        left = (self._ticket.expires_at - datetime.now(UTC)).total_seconds()
        tasks = [
            asyncio.create_task(self._listen()),
            asyncio.create_task(self._show()),
            asyncio.create_task(asyncio.sleep(left, (_EXPIRED, "the link has expired"))),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._worker is not None:
                self._worker.over.set()
        code, reason = _why(done.pop(), self._ticket)
        with contextlib.suppress(*_CLOSED):
            await self._socket.close(code, reason)

    async def _listen(self) -> tuple[int, str] | None:
        """Pass the viewer's input on while a Worker is connected."""
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return None
            text = message.get("text") or ""
            if len(text) > _MAX_INPUT_LENGTH:
                return _TOO_LONG, "the message is too long"
            if self._worker is not None and text:
                # A dead Worker is noticed where its frames are awaited.
                with contextlib.suppress(*_CLOSED):
                    await self._worker.socket.send_text(text)

    async def _show(self) -> tuple[int, str] | None:
        misses = 0
        with self._platform.signals.subscribe(f"run:{self._ticket.run_id}") as signalled:
            while True:
                found = await runs.watched(self._platform, self._ticket.run_id)
                if found is None or found[0].status.is_terminal:
                    status = None if found is None else found[0].status
                    await self._say({"type": "over", "status": status})
                    return None
                run, held_id = found
                misses = misses + 1 if run.status is RunStatus.STARTED else 0
                hint = await self._hint(held_id) if misses > _PATIENT_MISSES else None
                await self._say({"type": "waiting", "status": run.status, "hint": hint})
                self._worker = await self._reach(held_id, signalled)
                if self._worker is not None:
                    misses = 0
                    await self._pass_on(self._worker)

    async def _hint(self, held_id: RunId) -> str | None:
        """Why no Worker may have connected yet, for a viewer who can act on it."""
        if not self._ticket.can_control:
            return None
        if await live.is_silent(self._platform, held_id):
            return _SILENT_HINT
        return _HINT.format(self._platform.settings.internal_url)

    async def _reach(self, held_id: RunId, signalled: asyncio.Event) -> _Dialed | None:
        """Connect to whichever Worker holds the Run; None when the Run should be looked at again."""
        server_url = self._platform.settings.internal_url or ""
        request = live.new_request(self._ticket, held_id, server_url)
        awaited: asyncio.Future[_Dialed] = asyncio.get_running_loop().create_future()
        self._awaited[request.id] = awaited
        waiting = asyncio.ensure_future(signals.wait(signalled, _DIAL_SECONDS))
        try:
            await live.request(self._platform, request)
            await asyncio.wait({awaited, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if not awaited.done():
                # A Worker that has just accepted must not find its request withdrawn.
                await asyncio.wait({awaited}, timeout=_LOOK_SECONDS)
        except asyncio.CancelledError:
            if awaited.done():
                # The viewer left just as the Worker connected.
                awaited.result().over.set()
            raise
        finally:
            waiting.cancel()
            self._awaited.pop(request.id, None)
            if awaited.cancel():
                # A Worker that connects from now on is refused.
                await live.withdraw(self._platform, request)
        if awaited.cancelled():
            return None
        return awaited.result()

    async def _pass_on(self, worker: _Dialed) -> None:
        """Pass on the Worker's messages until it ends or is gone."""
        try:
            while (message := await worker.socket.receive())["type"] == "websocket.receive":
                if (frame := message.get("bytes")) is not None:
                    await self._socket.send_bytes(frame)
                else:
                    await self._socket.send_text(message["text"])
        finally:
            self._worker = None
            worker.over.set()

    async def _say(self, body: dict[str, Any]) -> None:
        await self._socket.send_text(json.dumps(body))


def _why(done: asyncio.Task[tuple[int, str] | None], ticket: Ticket) -> tuple[int, str]:
    """The code and reason for closing a connection."""
    error = done.exception()
    if error is None:
        return done.result() or (1000, "")
    if isinstance(error, _CLOSED):
        # The viewer is already gone.
        return 1000, ""
    if not db_errors.is_passing(error):
        log.error(
            "live view failed",
            event_name="live_view_failed",
            run_id=ticket.run_id,
            exc_info=error,
        )
    return _BROKEN, "the server cannot show this right now"


def ticket_of_key(run: Run, *, can_control: bool, watcher: str) -> Ticket:
    """The ticket of a viewer whose key gives access to the Run."""
    return Ticket(
        run_id=run.id,
        can_control=can_control,
        watcher=watcher,
        expires_at=datetime.max.replace(tzinfo=UTC),
    )


async def refuse(socket: WebSocket, error: RequestError) -> None:
    """Refuse a viewer: close the connection with a reason that a browser can read."""
    await socket.accept()
    await socket.close(4000 + error.status, error.message[:100])
