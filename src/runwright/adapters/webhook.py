"""Sends webhooks: only to an address that was checked, within a time, reading little of the answer."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import SplitResult, urlsplit, urlunsplit

import httpx2

_ANSWER_BYTES = 1024
_ANSWER_SECONDS = 1.0
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")
# Not for the public either, though some Pythons take them for global.
_RESERVED = tuple(
    ipaddress.ip_network(each)
    for each in ("192.0.0.0/24", "192.88.99.0/24", "64:ff9b:1::/48", "3fff::/20", "fec0::/10")
)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class NotSent(Exception):
    """Nothing was answered; the message says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What the receiver said."""

    status_code: int
    text: str
    """The first bytes of its body."""


class Sender:
    """Sends requests; one for each process."""

    def __init__(self, *, allow_private: bool, timeout: timedelta) -> None:
        self._allow_private = allow_private
        self._timeout = timeout.total_seconds()
        self._tls = ssl.create_default_context()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a request and return what was answered.

        The host is resolved once, its address checked, and that very address connected to; a
        redirect is an answer like any other.

        Raises:
            NotSent: the address is refused or not found, or no answer came in time.
        """
        try:
            async with asyncio.timeout(self._timeout):
                return await self._post(url, headers, body)
        except TimeoutError as error:
            raise NotSent(f"no answer within {self._timeout:g} s") from error
        except httpx2.HTTPError as error:
            raise NotSent(f"{type(error).__name__}: {error}"[:500]) from error

    async def check(self, url: str) -> None:
        """Refuse an address that nothing may be sent to.

        Raises:
            NotSent: it is one, or its host is not found.
        """
        await self._resolve(urlsplit(url))

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        parts = urlsplit(url)
        host = parts.hostname or ""
        address = await self._resolve(parts)
        shown = f"[{address}]" if address.version == 6 else str(address)  # noqa: PLR2004
        port = f":{parts.port}" if parts.port else ""
        target = urlunsplit((parts.scheme, shown + port, parts.path or "/", parts.query, ""))
        name = f"[{host}]" if ":" in host else host.encode("idna").decode()
        async with (
            httpx2.AsyncClient(
                verify=self._tls, trust_env=False, follow_redirects=False, timeout=self._timeout
            ) as client,
            client.stream(
                "POST",
                target,
                content=body,
                headers={**headers, "host": f"{name}{port}"},
                extensions={"sni_hostname": name.strip("[]")},
            ) as answer,
        ):
            return Answer(status_code=answer.status_code, text=await _beginning(answer))

    async def _resolve(self, parts: SplitResult) -> Address:
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
            )
        except (OSError, UnicodeError) as error:
            raise NotSent(f"the host `{host}` is not found: {error}") from error
        addresses = [ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found]
        refused: list[str] = []
        for address in addresses:
            reason = why_refused(address, allow_private=self._allow_private)
            if reason is None:
                return address
            refused.append(f"{address} is {reason}")
        raise NotSent(
            f"the host `{host}` is refused: {', '.join(dict.fromkeys(refused))}. "
            "`RUNWRIGHT_WEBHOOK_ALLOW_PRIVATE` allows private and loopback addresses"
        )


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
    if address.is_loopback or is_reserved or not address.is_global:
        return None if allow_private else "private"
    return None


def _embedded(address: Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 address stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)


async def _beginning(answer: httpx2.Response) -> str:
    """Return the first bytes of an answer's body, however slowly and however many of it come."""
    found = b""
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            async for chunk in answer.aiter_raw():
                found += chunk
                if len(found) >= _ANSWER_BYTES:
                    break
    except (TimeoutError, httpx2.HTTPError):
        # It has answered; what it says beyond the status is told as far as it came.
        pass
    return found[:_ANSWER_BYTES].decode("utf-8", "replace").replace("\0", "�")
