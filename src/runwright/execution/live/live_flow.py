"""The Worker's side of live views: takes requests to watch, dials the requesting servers, relays both ways."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from runwright import telemetry
from runwright.adapters import sockets
from runwright.adapters.sockets import Broken, Socket
from runwright.control.base.platform import Platform
from runwright.control.runs import live
from runwright.domain.live import LiveRequest
from runwright.execution.attempts import screen
from runwright.execution.attempts.running_attempt import RunningAttempt
from runwright.execution.attempts.screen import Screen, Viewer
from runwright.execution.live import live_input

log = telemetry.logger(__name__)

_MAX_VIEWERS = 50


class LiveFlow:
    """Serves the live views of one Worker."""

    def __init__(self, platform: Platform, held: Mapping[str, RunningAttempt]) -> None:
        """`held` are the Attempts that the Worker executes now, by Run id."""
        self._platform = platform
        self._held = held
        self._tasks: set[asyncio.Task[None]] = set()

    async def accept_requests(self) -> None:
        """Take the requests to watch Runs that this Worker holds."""
        for request in await live.take(self._platform, list(self._held)):
            running = self._held.get(request.run_id)
            if running is None or len(self._tasks) >= _MAX_VIEWERS:
                continue
            task = asyncio.create_task(self._show(request, running.screen), name="live view")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End all live views."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _show(self, request: LiveRequest, shown: Screen) -> None:
        url = f"{request.server_url}/internal/live/{quote(request.id, safe='')}"
        proof = live.proof(self._platform, request.id)
        viewer = Viewer(name=request.watcher, can_control=request.can_control)
        try:
            async with sockets.dial(url, proof=proof) as socket:
                shown.add(viewer)
                try:
                    await _serve(socket, shown, viewer)
                finally:
                    shown.remove(viewer)
        except Broken as error:
            log.info(
                "live view ended",
                event_name="live_view_ended",
                run_id=request.run_id,
                server=request.server_url,
                reason=str(error),
            )


async def _serve(socket: Socket, shown: Screen, viewer: Viewer) -> None:
    """Relay both ways until one side closes or the Run is no longer held here."""
    tasks = [
        asyncio.create_task(_send(socket, shown, viewer)),
        asyncio.create_task(_receive(socket, shown, viewer)),
        asyncio.create_task(_wait(shown.is_over)),
    ]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        if (error := task.exception()) is not None:
            raise Broken(str(error)) from error


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


async def _send(socket: Socket, shown: Screen, viewer: Viewer) -> None:
    while True:
        await viewer.changed.wait()
        viewer.changed.clear()
        if viewer.is_state_new:
            viewer.is_state_new = False
            await socket.send(json.dumps(shown.state(viewer)))
        if viewer.is_pinged:
            viewer.is_pinged = False
            await socket.send(json.dumps({"type": "alive"}))
        while viewer.answers:
            await socket.send(json.dumps(viewer.answers.popleft()))
        if (frame := viewer.take_frame()) is not None:
            shown.taken(frame)
            await socket.send(screen.encode(frame))


async def _receive(socket: Socket, shown: Screen, viewer: Viewer) -> None:
    while (text := await sockets.receive(socket)) is not None:
        message = live_input.parse(text)
        if message is not None:
            _take(shown, viewer, *message)


def _take(shown: Screen, viewer: Viewer, kind: str, details: dict[str, Any]) -> None:
    match kind:
        case "shown":
            viewer.has_shown(details["number"])
        case "ping":
            viewer.ping()
        case "watch":
            shown.choose(viewer, details["page"])
        case "take":
            shown.take_control(viewer)
        case "release":
            shown.release(viewer)
        case _:
            shown.act(viewer, kind, details)
