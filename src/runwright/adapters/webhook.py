"""Sends requests for callers: only to addresses that were checked, within a time, reading little of the answer."""

from __future__ import annotations

import asyncio
import ssl
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

import httpcore2
import httpx2

from runwright.adapters import addresses
from runwright.adapters.addresses import PinnedBackend, Unreachable
from runwright.domain.text import urls
from runwright.domain.text.urls import InvalidUrl

_ANSWER_BYTES = 1024
_ANSWER_SECONDS = 1.0
_DEFAULTS = {
    "accept": "*/*",
    # What is shown of an answer is its text.
    "accept-encoding": "identity",
    "content-type": "application/json",
    "user-agent": "Runwright",
}
_ANY_ZIP = 32 + zlib.MAX_WBITS
_MAX_REASON = 500


class NotSent(Exception):
    """Nothing was answered; the message says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What the receiver said."""

    status_code: int
    headers: Mapping[str, str]
    """By name in lower case; of several of one name the last."""
    text: str
    """The first bytes of its body."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """An answer as it came."""

    status_code: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    """As much of it as was asked for."""


class Sender:
    """Sends requests; one for each process."""

    def __init__(self, *, allow_private: bool, timeout: timedelta) -> None:
        self._backend = PinnedBackend(allow_private=allow_private)
        self._allow_private = allow_private
        self._timeout = timeout.total_seconds()
        self._tls = ssl.create_default_context()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a webhook and return what was answered.

        A user and password in the address become an `Authorization`, unless the headers have one.

        Raises:
            NotSent: the address is refused or not found, or no answer came in time.
        """
        try:
            target = _target(url)
        except (InvalidUrl, httpx2.InvalidURL) as error:
            raise NotSent(f"the address is none: {error}") from error
        own = {name.lower(): (name, value) for name, value in headers.items()}
        credentials = urls.authorization(url)
        if credentials is not None:
            own.setdefault("authorization", ("authorization", credentials))
        for name, value in _DEFAULTS.items():
            own.setdefault(name, (name, value))
        pairs = [(b"host", _host_header(target))]
        pairs += [(name.encode(), value.encode("latin-1")) for name, value in own.values()]
        reply = await self.send("POST", target, pairs, body)
        told = {name.lower().decode(): value.decode("latin-1") for name, value in reply.headers}
        return Answer(status_code=reply.status_code, headers=told, text=_text(reply.body, told))

    async def send(
        self,
        method: str,
        target: httpcore2.URL,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes,
        *,
        whole_answer: int | None = None,
    ) -> Reply:
        """Send a request as it is given and return the answer, with the beginning of its body.

        `whole_answer` asks for all of it instead, up to so many bytes, and fails where that does not come.

        The host is resolved once, its addresses checked, and one of those connected to; a redirect is
        an answer like any other.

        Raises:
            NotSent: the address is refused or not found, or no answer came in time.
        """
        try:
            async with (
                asyncio.timeout(self._timeout),
                httpcore2.AsyncConnectionPool(
                    ssl_context=self._tls, network_backend=self._backend
                ) as pool,
                pool.stream(
                    method,
                    target,
                    headers=headers,
                    content=body,
                    extensions={"sni_hostname": target.host.decode().rstrip(".")},
                ) as answer,
            ):
                found = await (
                    _beginning(answer) if whole_answer is None else _read(answer, whole_answer)
                )
                return Reply(status_code=answer.status, headers=answer.headers, body=found)
        except TimeoutError as error:
            raise NotSent(f"no answer within {self._timeout:g} s") from error
        except Unreachable as error:
            raise NotSent(str(error)[:_MAX_REASON]) from error
        except (httpcore2.NetworkError, httpcore2.ProtocolError, ssl.SSLError) as error:
            raise NotSent(f"{type(error).__name__}: {error}"[:_MAX_REASON]) from error

    async def check(self, url: str) -> None:
        """Refuse an address that nothing may be sent to.

        Raises:
            NotSent: it is one, or its host is not found.
        """
        parts = urlsplit(url)
        try:
            await addresses.permitted(
                urls.ascii_host(parts), parts.port or 0, allow_private=self._allow_private
            )
        except (Unreachable, InvalidUrl) as error:
            raise NotSent(str(error)) from error


def _target(url: str) -> httpcore2.URL:
    """Return an address as it is sent to: host in ASCII, path and query percent-encoded, nothing else."""
    parts = urlsplit(url)
    host = urls.ascii_host(parts)
    shown = f"[{host}]" if ":" in host else host
    port = "" if parts.port is None else f":{parts.port}"
    plain = httpx2.URL(parts._replace(netloc=shown + port, fragment="").geturl())
    return httpcore2.URL(
        scheme=plain.raw_scheme, host=plain.raw_host, port=plain.port, target=plain.raw_path
    )


def _host_header(target: httpcore2.URL) -> bytes:
    # The dot that ends a name says only how it is looked up.
    host = target.host.rstrip(b".")
    shown = b"[%b]" % host if b":" in host else host
    return shown if target.port is None else b"%b:%d" % (shown, target.port)


async def _beginning(answer: httpcore2.Response) -> bytes:
    """Return the first bytes of an answer's body, however slowly and however many of it come."""
    found = bytearray()
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            await _read(answer, _ANSWER_BYTES, found)
    except (TimeoutError, httpcore2.NetworkError, httpcore2.ProtocolError):
        # It has answered; what it says beyond the status is told as far as it came.
        pass
    return bytes(found[:_ANSWER_BYTES])


async def _read(answer: httpcore2.Response, most: int, found: bytearray | None = None) -> bytes:
    found = bytearray() if found is None else found
    async for chunk in answer.aiter_stream():
        found += chunk
        if len(found) >= most:
            break
    return bytes(found[:most])


def _text(body: bytes, headers: Mapping[str, str]) -> str:
    if headers.get("content-encoding", "").lower() in ("gzip", "x-gzip", "deflate"):
        try:
            body = zlib.decompressobj(_ANY_ZIP).decompress(body, _ANSWER_BYTES)
        except zlib.error:
            body = b""
    return body.decode("utf-8", "replace").replace("\0", "�")
