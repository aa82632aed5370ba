"""Decides which addresses callers may have us connect to, and connects to a host only at those."""

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
"""How long each address gets before the next one is tried in parallel (RFC 8305)."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")
# Not public either, though some versions of Python consider them global.
_RESERVED = tuple(
    ipaddress.ip_network(each)
    for each in ("192.0.0.0/24", "192.88.99.0/24", "64:ff9b:1::/48", "3fff::/20", "fec0::/10")
)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Unreachable(Exception):
    """No address could be connected to; the message says why."""


class PinnedBackend(httpcore2.AsyncNetworkBackend):
    """Connects to a host only at addresses that were checked, even if its DNS changes a moment later."""

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._plain: Any = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the base class's interface
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> AsyncNetworkStream:
        """Connect to the first permitted address of the host that accepts the connection.

        Raises:
            Unreachable: the host does not resolve, all its addresses are refused, or none accepts the connection.
        """
        addresses = await permitted(host, port, allow_private=self._allow_private)
        return await self._first(addresses, host, port)

    async def _first(
        self, addresses: Sequence[Address], host: str, port: int
    ) -> AsyncNetworkStream:
        """Try one after the other, starting each before its predecessors have timed out."""
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
                    failures.append(f"{address}: {_reason(task.exception())}")
        finally:
            await _abandon(running)
        raise Unreachable(f"the host `{host}` accepts no connection: {', '.join(failures)}")


async def permitted(host: str, port: int, *, allow_private: bool) -> list[Address]:
    """The addresses of a host that may be connected to, in the order to try them.

    Raises:
        Unreachable: the host does not resolve, or none of its addresses is permitted.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )
    except (OSError, UnicodeError) as error:
        raise Unreachable(f"the host `{host}` does not resolve: {error}") from error
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
    """Why an address may not be connected to; None when it may."""
    inner = _embedded(address)
    if inner is not None:
        return why_refused(inner, allow_private=allow_private)
    if address.is_link_local:
        # Cloud providers serve the machine's own credentials there.
        return "link-local"
    if address.is_multicast or address.is_unspecified:
        return "not the address of a host"
    is_reserved = any(address in network for network in _RESERVED)
    if is_reserved or not address.is_global:
        return None if allow_private else "private"
    return None


def _embedded(address: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address embedded in an IPv6 address, if any."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64 or address in _COMPATIBLE:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)


async def _abandon(running: Iterable[asyncio.Task[AsyncNetworkStream]]) -> None:
    """Cancel the remaining attempts, and close any connection that was made meanwhile."""
    for task in running:
        task.cancel()
    for found in await asyncio.gather(*running, return_exceptions=True):
        if not isinstance(found, BaseException):
            await found.aclose()


def _reason(error: BaseException | None) -> str:
    """Why a connection failed, in the operating system's words."""
    while error is not None and error.__cause__ is not None:
        error = error.__cause__
    number = getattr(error, "errno", None)
    return os.strerror(number) if number else str(error)
