"""Connections through a SOCKS5 proxy, with a user name and a password where it wants them (RFC 1928, 1929)."""

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
    1: "fails",
    2: "does not allow it",
    3: "cannot reach the network",
    4: "cannot reach the host",
    5: "is refused the connection",
    6: "cannot reach the host in time",
    7: "knows no such command",
    8: "knows no such address",
}
_CONNECT_SECONDS = 15.0
DEFAULT_PORT = 1080


class Refused(Exception):
    """The proxy gives no connection; the message says why, and holds no password."""


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
    """Return a connection to a host, whose name the proxy resolves.

    Raises:
        Refused: there is none.
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
            return "closes the connection"
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
        raise Refused("is no SOCKS5 proxy")
    if method == _NO_SIGNING_IN:
        return
    if method != _PASSWORD:
        raise Refused("takes no user name and password")
    credentials = [each.encode() for each in (proxy.username, proxy.password)]
    writer.write(
        bytes((_SIGNING_IN_VERSION,)) + b"".join(bytes((len(each),)) + each for each in credentials)
    )
    _, status = await reader.readexactly(2)
    if status != 0:
        raise Refused("refuses the user name or the password")


async def _ask_for(
    host: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    writer.write(bytes((_VERSION, _CONNECT, 0)) + _address(host) + port.to_bytes(2, "big"))
    _, reply, _, kind = await reader.readexactly(4)
    if reply != 0:
        raise Refused(f"{_REPLIES.get(reply, 'fails')}: {host}:{port}")
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
