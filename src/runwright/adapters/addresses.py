"""Which addresses may be connected to for a caller, and connecting to those of a host and no others."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
from collections.abc import Iterable, Sequence
from typing import Any

import httpcore2
from httpcore2 import AsyncNetworkStream

_HEAD_START_SECONDS = 0.25
"""What each address has before the next one is tried too (RFC 8305)."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")
# Not for the public either, though some Pythons take them for global.
_RESERVED = tuple(
    ipaddress.ip_network(each)
    for each in ("192.0.0.0/24", "192.88.99.0/24", "64:ff9b:1::/48", "3fff::/20", "fec0::/10")
)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Unreachable(Exception):
    """There is no address to connect to; the message says why."""


class PinnedBackend(httpcore2.AsyncNetworkBackend):
    """Connects to a host by the addresses that were checked, whatever its name leads to a moment later."""

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._plain: Any = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - its own interface
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> AsyncNetworkStream:
        """Connect to the first permitted address of the host that takes the connection.

        Raises:
            Unreachable: the host is not found, all its addresses are refused, or none answers.
        """
        addresses = await permitted(host, port, allow_private=self._allow_private)
        return await self._first(addresses, host, port)

    async def _first(
        self, addresses: Sequence[Address], host: str, port: int
    ) -> AsyncNetworkStream:
        """Try one after the other, each before the ones before it have given up."""
        waiting = list(addresses)
        running: dict[asyncio.Task[AsyncNetworkStream], Address] = {}
        failures: list[str] = []
        try:
            while waiting or running:
                if waiting:
                    address = waiting.pop(0)
                    connecting = self._plain.connect_tcp(str(address), port)
                    running[asyncio.create_task(connecting)] = address
                done, _ = await asyncio.wait(
                    running,
                    timeout=_HEAD_START_SECONDS if waiting else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                for task in done:
                    address = running.pop(task)
                    if task.exception() is None:
                        return task.result()
                    failures.append(f"{address} says {_reason(task.exception())}")
        finally:
            await _abandon(running)
        raise Unreachable(f"the host `{host}` takes no connection: {', '.join(failures)}")


async def permitted(host: str, port: int, *, allow_private: bool) -> list[Address]:
    """Return the addresses of a host that may be connected to, in the order to try them.

    Raises:
        Unreachable: it is not found, or has none.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )
    except (OSError, UnicodeError) as error:
        raise Unreachable(f"the host `{host}` is not found: {error}") from error
    addresses = [ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found]
    reasons = {each: why_refused(each, allow_private=allow_private) for each in addresses}
    allowed = [address for address, reason in reasons.items() if reason is None]
    if not allowed:
        refused = ", ".join(f"{address} is {reason}" for address, reason in reasons.items())
        raise Unreachable(
            f"the host `{host}` is refused: {refused}. "
            "`RUNWRIGHT_WEBHOOK_ALLOW_PRIVATE` allows private and loopback addresses"
        )
    return allowed


def why_refused(address: Address, *, allow_private: bool) -> str | None:
    """Return what is wrong with connecting to an address, or None."""
    inner = _embedded(address)
    if inner is not None:
        return why_refused(inner, allow_private=allow_private)
    if address.is_link_local:
        # Where clouds serve the machine's own credentials.
        return "link-local"
    if address.is_multicast or address.is_unspecified:
        return "no address of a host"
    is_reserved = any(address in network for network in _RESERVED)
    if is_reserved or not address.is_global:
        return None if allow_private else "private"
    return None


def _embedded(address: Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 address stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64 or address in _COMPATIBLE:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)


async def _abandon(running: Iterable[asyncio.Task[AsyncNetworkStream]]) -> None:
    """Close what the others have connected to meanwhile, or are about to."""
    for task in running:
        task.cancel()
    for found in await asyncio.gather(*running, return_exceptions=True):
        if not isinstance(found, BaseException):
            await found.aclose()


def _reason(error: BaseException | None) -> str:
    """Return why a connection failed, in the system's own words."""
    while error is not None and error.__cause__ is not None:
        error = error.__cause__
    number = getattr(error, "errno", None)
    return os.strerror(number) if number else str(error)
