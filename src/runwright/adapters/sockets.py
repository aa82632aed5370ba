"""WebSockets that a Worker opens to a server; plain functions around one library."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

_OPEN_SECONDS = 5.0
_ALIVE_SECONDS = 10.0
_MAX_MESSAGE_BYTES = 256 * 1024

Socket = ClientConnection


class Broken(Exception):
    """There is no connection, or none any more."""


@asynccontextmanager
async def dial(url: str, *, proof: str) -> AsyncGenerator[Socket]:
    """Open a WebSocket to an `http(s)` address until the block ends.

    Raises:
        Broken: nobody answers there, or refuses; or, in the block, the connection has ended.
    """
    parts = urlsplit(url)
    scheme = {"http": "ws", "https": "wss"}[parts.scheme]
    try:
        async with connect(
            urlunsplit((scheme, *parts[1:])),
            additional_headers={"authorization": f"Bearer {proof}"},
            compression=None,
            proxy=None,
            open_timeout=_OPEN_SECONDS,
            close_timeout=1,
            ping_interval=_ALIVE_SECONDS,
            ping_timeout=_ALIVE_SECONDS,
            max_size=_MAX_MESSAGE_BYTES,
        ) as socket:
            yield socket
    except (OSError, TimeoutError, WebSocketException) as error:
        raise Broken(str(error)) from error


async def receive(socket: Socket) -> str | None:
    """Return the next text, None when the other side has closed."""
    try:
        message = await socket.recv()
    except ConnectionClosed:
        return None
    return message if isinstance(message, str) else ""
