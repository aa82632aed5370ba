"""A viewer of a Run: a WebSocket that receives frames, acknowledges them, and sends input to the page."""

from __future__ import annotations

import contextlib
import json
import struct
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from helpers.server import RunwrightServer

_HEAD = struct.Struct(">IHHd")


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One picture of the page."""

    number: int
    width: int
    height: int
    at: float
    jpeg: bytes
    arrived_at: float


@dataclass(eq=False, kw_only=True)
class Viewer:
    """What a Viewer has been shown."""

    socket: ClientConnection
    frames: list[Frame] = field(default_factory=list[Frame])
    messages: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    state: dict[str, Any] = field(default_factory=dict[str, Any])
    closed: tuple[int, str] | None = None
    is_slow: bool = False
    """It never says that it has shown a frame."""

    def until(self, condition: Callable[[], Any], *, within: float = 60) -> Any:
        """Take what comes until the condition is truthy, and return what it gave."""
        deadline = time.monotonic() + within
        while not (found := condition()):
            assert time.monotonic() < deadline, (self.state, self.messages[-3:], self.closed)
            assert self.closed is None, self.closed
            self.take()
        return found

    def until_closed(self, *, within: float = 60) -> tuple[int, str]:
        """Take what comes until the connection ends; return code and reason."""
        deadline = time.monotonic() + within
        while self.closed is None:
            assert time.monotonic() < deadline, (self.state, self.messages[-3:])
            self.take()
        return self.closed

    def take(self, wait: float = 0.1) -> None:
        """Take one message if there is one."""
        try:
            message = self.socket.recv(timeout=wait)
        except TimeoutError:
            return
        except ConnectionClosed as error:
            self.closed = (0, "") if error.rcvd is None else (error.rcvd.code, error.rcvd.reason)
            return
        if isinstance(message, str):
            body = json.loads(message)
            self.messages.append(body)
            if body["type"] == "state":
                self.state = body
            return
        number, width, height, at = _HEAD.unpack_from(message)
        self.frames.append(
            Frame(
                number=number,
                width=width,
                height=height,
                at=at,
                jpeg=message[_HEAD.size :],
                arrived_at=time.time(),
            )
        )
        if not self.is_slow:
            self.send("shown", number=number)

    def send(self, kind: str, **details: Any) -> None:
        """Send a message; a connection that has ended is noticed by who takes from it."""
        with contextlib.suppress(ConnectionClosed):
            self.socket.send(json.dumps({"type": kind, **details}))

    def take_control(self) -> None:
        """Take control and wait until it is there."""
        self.send("take")
        self.until(lambda: self.state.get("hasControl"))

    def click(self, x: float, y: float) -> None:
        """Click at a place of the page."""
        self.send("mouse", event="move", x=x, y=y)
        self.send("mouse", event="down", x=x, y=y, button="left", buttons=1, clicks=1)
        self.send("mouse", event="up", x=x, y=y, button="left", clicks=1)

    def press(self, key: str, code: str, key_code: int, modifiers: int = 0) -> None:
        """Press a key and let it go."""
        for event in ("down", "up"):
            self.send("key", event=event, key=key, code=code, keyCode=key_code, modifiers=modifiers)


@contextmanager
def watching(
    server: RunwrightServer, project: str, run_id: str, *, api_key: str | None = None
) -> Generator[Viewer]:
    """Watch a Run with an API key until the block ends."""
    url = (
        f"{server.url}/api/v1/workspace/{server.workspace_id}/projects/{project}/run/{run_id}/live"
    )
    headers = {"x-api-key": api_key or server.api_key}
    with connected(url, headers) as viewer:
        yield viewer


@contextmanager
def connected(url: str, headers: dict[str, str] | None = None) -> Generator[Viewer]:
    """Watch at an address until the block ends."""
    address = f"ws{url.removeprefix('http').removeprefix('ws')}"
    with connect(
        address, additional_headers=headers, max_size=8 * 2**20, compression=None, proxy=None
    ) as socket:
        yield Viewer(socket=socket)
