"""An HTTP proxy on loopback for one Attempt, in front of a SOCKS proxy that requires a password.

Chromium only authenticates to HTTP proxies. This one has its own password, so that nothing else on this
machine can use it.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import re
import secrets
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable
from urllib.parse import urlsplit

from runwright.execution.outgoing import socks
from runwright.execution.outgoing.socks import Refused

_MAX_HEAD_BYTES = 256 * 1024
_PIECE_BYTES = 64 * 1024
_HEAD_SECONDS = 60.0
_HTTP_PORT = 80
_USER = "attempt"
_HOP_BY_HOP = ("connection", "keep-alive", "proxy-connection", "proxy-authorization")
_INTERIM = re.compile(rb"HTTP/\S+ 1\d\d")


class Forwarder:
    """Forwards a browser's connections through a SOCKS proxy."""

    def __init__(self, proxy: socks.Proxy, warn: Callable[[str], None]) -> None:
        self._proxy = proxy
        self._warn = warn
        self._warned: set[str] = set()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.username = _USER
        self.password = secrets.token_urlsafe()

    async def open(self) -> str:
        """Start listening; return the proxy's URL."""
        self._server = await asyncio.start_server(
            self._connected, "127.0.0.1", 0, limit=_MAX_HEAD_BYTES
        )
        host, port = self._server.sockets[0].getsockname()
        return f"http://{host}:{port}"

    async def close(self) -> None:
        """Stop listening and close all connections."""
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _connected(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.create_task(self._converse(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _converse(self, reader: StreamReader, writer: StreamWriter) -> None:
        # Either side disconnected, or sent something that no browser sends.
        gone = contextlib.suppress(OSError, EOFError, TimeoutError, asyncio.LimitOverrunError)
        with contextlib.closing(writer), gone:
            await self._serve(reader, writer)

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        async with asyncio.timeout(_HEAD_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
        request, *headers = head[:-4].split(b"\r\n")
        if not self._is_known(headers):
            await _answer(writer, b'407 Sign in\r\nproxy-authenticate: Basic realm="attempt"')
            return
        try:
            method, target, version = request.split(b" ")
            host, port = _place(method, target.decode("ascii"))
            site = await socks.connect(self._proxy, host, port)
        except ValueError:
            await _answer(writer, b"400 Bad Request")
            return
        except Refused as error:
            self._tell(str(error))
            await _answer(writer, b"502 Bad Gateway", str(error).encode())
            return
        with contextlib.closing(site[1]):
            is_tunnel = method == b"CONNECT"
            if is_tunnel:
                writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            else:
                line = b" ".join((method, _own_form(target), version))
                site[1].write(_closing([line, *headers]))
            await _relay_both((reader, writer), site, is_tunnel=is_tunnel)

    def _is_known(self, headers: list[bytes]) -> bool:
        credentials = base64.b64encode(f"{self.username}:{self.password}".encode())
        given = next(
            (each[20:].strip() for each in headers if each[:20].lower() == b"proxy-authorization:"),
            b"",
        )
        return hmac.compare_digest(given, b"Basic " + credentials)

    def _tell(self, message: str) -> None:
        if message not in self._warned:
            self._warned.add(message)
            self._warn(message)


def _place(method: bytes, target: str) -> tuple[str, int]:
    """Host and port of a request's target.

    Raises:
        ValueError: the target names no host, or is not plain HTTP.
    """
    parts = urlsplit(f"//{target}" if method == b"CONNECT" else target)
    if not parts.hostname or (method != b"CONNECT" and parts.scheme != "http"):
        raise ValueError(target)
    return parts.hostname, parts.port or _HTTP_PORT


def _own_form(target: bytes) -> bytes:
    """The request target in origin form: without scheme and host."""
    path = target.partition(b"://")[2].partition(b"/")[2]
    return b"/" + path


def _closing(lines: list[bytes]) -> bytes:
    """A message head with `connection: close`.

    A browser reuses a proxy connection for other sites, but this one leads to a single site.
    """
    first, *headers = lines
    kept = [each for each in headers if _name(each) not in _HOP_BY_HOP]
    return b"\r\n".join((first, *kept, b"connection: close", b"", b""))


def _name(header: bytes) -> str:
    return header.partition(b":")[0].strip().lower().decode("latin-1")


async def _answer(writer: StreamWriter, status: bytes, body: bytes = b"") -> None:
    length = b"content-length: " + str(len(body)).encode()
    writer.write(b"HTTP/1.1 " + status + b"\r\nconnection: close\r\n" + length + b"\r\n\r\n" + body)
    await writer.drain()


async def _relay_both(
    client: tuple[StreamReader, StreamWriter],
    site: tuple[StreamReader, StreamWriter],
    *,
    is_tunnel: bool,
) -> None:
    sending = asyncio.ensure_future(_relay(client[0], site[1]))
    try:
        if not is_tunnel:
            await _relay_head(site[0], client[1])
        await _relay(site[0], client[1])
    finally:
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError, OSError):
            await sending


async def _relay_head(source: StreamReader, target: StreamWriter) -> None:
    while True:
        lines = (await source.readuntil(b"\r\n\r\n"))[:-4].split(b"\r\n")
        if not _INTERIM.match(lines[0]):
            target.write(_closing(lines))
            return
        # The final response is still to come.
        target.write(b"\r\n".join((*lines, b"", b"")))


async def _relay(source: StreamReader, target: StreamWriter) -> None:
    while piece := await source.read(_PIECE_BYTES):
        target.write(piece)
        await target.drain()
    with contextlib.suppress(OSError):
        target.write_eof()
