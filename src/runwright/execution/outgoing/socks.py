"""Connections through a SOCKS5 proxy, with a user name and password where required (RFC 1928, 1929)."""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import dataclass

_VERSION, _SIGNING_IN_VERSION = 5, 1
_NO_SIGNING_IN, _PASSWORD, _NOTHING_FITS = 0, 2, 0xFF
_CONNECT = 1
_IPV4, _NAME, _IPV6 = 1, 3, 4
_ADDRESS_BYTES = {_IPV4: 4, _IPV6: 16}
_REPLIES = {
    1: "reports a general failure",
    2: "does not allow the connection",
    3: "cannot reach the network",
    4: "cannot reach the host",
    5: "was refused the connection",
    6: "cannot reach the host in time",
    7: "does not support the command",
    8: "does not support the address type",
}
_CONNECT_SECONDS = 15.0
DEFAULT_PORT = 1080


class Refused(Exception):
    """The proxy made no connection; the message says why and never contains the password."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Proxy:
    """A SOCKS5 proxy."""

    host: str
    port: int
    username: str
    password: str


async def connect(
    proxy: Proxy, host: str, port: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to a host; the proxy resolves its name.

    Raises:
        Refused: the proxy cannot be reached, or makes no connection.
    """
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
            await _sign_in(proxy, reader, writer)
            await _ask_for(host, port, reader, writer)
    except BaseException as error:
        if writer is not None:
            writer.close()
        reason = _reason(error)
        if reason is None:
            raise
        raise Refused(f"the proxy {proxy.host}:{proxy.port} {reason}") from error
    return reader, writer


def _reason(error: BaseException) -> str | None:
    match error:
        case Refused():
            return str(error)
        case TimeoutError():
            return f"does not answer within {_CONNECT_SECONDS:g} s"
        case EOFError():
            return "closed the connection"
        case OSError():
            return f"cannot be reached: {error.strerror or error}"
        case _:
            return None


async def _sign_in(
    proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    writer.write(bytes((_VERSION, 2, _NO_SIGNING_IN, _PASSWORD)))
    version, method = await reader.readexactly(2)
    if version != _VERSION:
        raise Refused("is not a SOCKS5 proxy")
    if method == _NO_SIGNING_IN:
        return
    if method != _PASSWORD:
        raise Refused("does not accept a user name and password")
    credentials = [each.encode() for each in (proxy.username, proxy.password)]
    writer.write(
        bytes((_SIGNING_IN_VERSION,)) + b"".join(bytes((len(each),)) + each for each in credentials)
    )
    _, status = await reader.readexactly(2)
    if status != 0:
        raise Refused("rejected the user name or password")


async def _ask_for(
    host: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    writer.write(bytes((_VERSION, _CONNECT, 0)) + _address(host) + port.to_bytes(2, "big"))
    _, reply, _, kind = await reader.readexactly(4)
    if reply != 0:
        raise Refused(f"{_REPLIES.get(reply, _REPLIES[1])}: {host}:{port}")
    length = _ADDRESS_BYTES.get(kind)
    if length is None:
        length = (await reader.readexactly(1))[0]
    await reader.readexactly(length + 2)


def _address(host: str) -> bytes:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.encode()
        return bytes((_NAME, len(name))) + name
    return bytes((_IPV4 if address.version == 4 else _IPV6,)) + address.packed  # noqa: PLR2004
