"""WebSockets from a Worker to a server; thin functions around one library."""

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
    """The connection could not be made, or has ended."""


@asynccontextmanager
async def dial(url: str, *, proof: str) -> AsyncGenerator[Socket]:
    """Open a WebSocket to an `http(s)` URL until the block ends.

    Raises:
        Broken: the server does not answer, or refuses; or the connection ended inside the block.
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
    """The next text message; None when the peer has closed. A binary message is the empty string."""
    try:
        message = await socket.recv()
    except ConnectionClosed:
        return None
    return message if isinstance(message, str) else ""
