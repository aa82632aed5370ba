"""Sends requests on behalf of callers: only to checked addresses, within a timeout, reading little of the response."""

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
    # We show the text of the response.
    "accept-encoding": "identity",
    "content-type": "application/json",
    "user-agent": "Runwright",
}
_ANY_ZIP = 32 + zlib.MAX_WBITS
_MAX_REASON = 500


class NotSent(Exception):
    """There was no response; the message says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The receiver's response."""

    status_code: int
    headers: Mapping[str, str]
    """By lowercase name; the last one wins where a name repeats."""
    text: str
    """The first bytes of the body."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """A response as received."""

    status_code: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    """As much as was requested."""


class Sender:
    """Sends requests; one per process."""

    def __init__(self, *, allow_private: bool, timeout: timedelta) -> None:
        self._backend = PinnedBackend(allow_private=allow_private)
        self._allow_private = allow_private
        self._timeout = timeout.total_seconds()
        self._tls = ssl.create_default_context()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a webhook and return the response.

        A user and password in the URL become an `Authorization` header, unless the headers include one.

        Raises:
            NotSent: the address is refused, the host does not resolve, or no response came in time.
        """
        try:
            target = _target(url)
        except (InvalidUrl, httpx2.InvalidURL) as error:
            raise NotSent(f"the URL is invalid: {error}") from error
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
        """Send a request unchanged and return the response, with the beginning of its body.

        With `whole_answer` the body is read in full, up to that many bytes; a body cut short is an error.

        The host is resolved once, its addresses are checked, and the connection goes to one of them. A
        redirect is a response like any other.

        Raises:
            NotSent: the address is refused, the host does not resolve, or no response came in time.
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
        """Reject a URL that nothing may be sent to.

        Raises:
            NotSent: its address is refused, or its host does not resolve.
        """
        parts = urlsplit(url)
        try:
            await addresses.permitted(
                urls.ascii_host(parts), parts.port or 0, allow_private=self._allow_private
            )
        except (Unreachable, InvalidUrl) as error:
            raise NotSent(str(error)) from error


def _target(url: str) -> httpcore2.URL:
    """The URL as sent on the wire: host in ASCII, path and query percent-encoded, nothing else."""
    parts = urlsplit(url)
    host = urls.ascii_host(parts)
    shown = f"[{host}]" if ":" in host else host
    port = "" if parts.port is None else f":{parts.port}"
    plain = httpx2.URL(parts._replace(netloc=shown + port, fragment="").geturl())
    return httpcore2.URL(
        scheme=plain.raw_scheme, host=plain.raw_host, port=plain.port, target=plain.raw_path
    )


def _host_header(target: httpcore2.URL) -> bytes:
    # A trailing dot only affects how the name is looked up.
    host = target.host.rstrip(b".")
    shown = b"[%b]" % host if b":" in host else host
    return shown if target.port is None else b"%b:%d" % (shown, target.port)


async def _beginning(answer: httpcore2.Response) -> bytes:
    """The first bytes of a body, however slowly or partially it arrives."""
    found = bytearray()
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            await _read(answer, _ANSWER_BYTES, found)
    except (TimeoutError, httpcore2.NetworkError, httpcore2.ProtocolError):
        # The status has arrived; report as much of the body as came.
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
