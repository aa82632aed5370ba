"""What a provider of language models answers, as an author may see it: bounded, unpacked, without the operator's key."""

from __future__ import annotations

import re
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx2

from runwright import telemetry
from runwright.domain.models.model_endpoints import Provider
from runwright.errors import ProviderAway, ProviderFailed, ProviderRefused, ProviderSlow

log = telemetry.logger(__name__)

_LARGEST_BYTES = 256 * 1024 * 1024
_ERROR_BYTES = 1024 * 1024
_UNPACKED_BYTES = 64 * 1024
"""What is unpacked at a time, however much a few bytes would become."""
_SHOWN = re.compile(
    r"(x-)?request-id|retry-after(-ms)?|x-should-retry|openai-(processing-ms|version)|(x|anthropic)-ratelimit-.*"
)
"""Names of headers that clients read; the others may tell of the operator's account."""
_MAX_HEADER_LENGTH = 500
_KINDS = ("application/json", "text/event-stream", "application/x-ndjson")
_TEXT = "text/plain; charset=utf-8"
"""What any other kind becomes: a browser must not take an answer for a page of ours."""
_OF_THE_OPERATOR = (401, 402, 403)
"""Status of an answer that is about the operator's key or account."""
_BAD_KEY = b"API_KEY_INVALID"
"""How Google says so, with 400."""
_SHORTEST_SECRET = 16
"""A shorter key is that of a local server which takes any; it may be a word of every text."""
_MARK = b"***"
_OK, _REDIRECT, _ERROR, _NONE = 200, 300, 400, 600


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a provider answers."""

    status: int
    headers: dict[str, str]
    chunks: AsyncIterator[bytes]
    """The body, unpacked, as it comes; raises ProviderFailed and its kinds."""


async def received(
    provider: Provider, answer: httpx2.Response, key: str | None, patience: float
) -> Answer:
    """Return an answer for an author.

    Raises:
        ProviderRefused: it is about the operator's key, account or address, such as a redirect.
        ProviderFailed: it broke off.
    """
    status = answer.status_code
    if not (_OK <= status < _REDIRECT or _ERROR <= status < _NONE):
        raise ProviderRefused(
            f"The model provider `{provider}` answered with status {status}, which is not followed: its operator "
            f"must look at `{provider.url_setting}`."
        )
    chunks = _without(key, _chunks(provider, answer, patience))
    if status >= _ERROR:
        said = await _beginning(chunks)
        if status in _OF_THE_OPERATOR or _BAD_KEY in said:
            log.warning(
                "model provider refuses",
                event_name="provider_refused",
                provider=provider.value,
                status=status,
            )
            raise ProviderRefused(
                f"The model provider `{provider}` refuses this installation (status {status}), not the request: its "
                f"operator must look at `{provider.key_setting}` and the account behind it."
            )
        chunks = _once(said)
    return Answer(status=status, headers=_headers(answer.headers, key), chunks=chunks)


@contextmanager
def telling(provider: Provider, patience: float) -> Generator[None]:
    """Turn what went wrong on the way into what an author is told; the operator's log has the rest.

    Raises:
        ProviderAway, ProviderSlow, ProviderFailed: something did.
    """
    try:
        yield
    except (httpx2.TimeoutException, TimeoutError) as error:
        if isinstance(error, httpx2.ConnectTimeout):
            raise away(provider, error) from error
        _log(provider, error)
        raise ProviderSlow(
            f"The model provider `{provider}` said nothing for {patience:g} s."
        ) from error
    except (httpx2.ConnectError, httpx2.ProxyError, OSError) as error:
        raise away(provider, error) from error
    except (
        httpx2.HTTPError,
        httpx2.InvalidURL,
        httpx2.StreamError,
        zlib.error,
        ValueError,
    ) as error:
        _log(provider, error)
        raise _failed(provider, "sent what cannot be read, or broke off") from error


async def _chunks(
    provider: Provider, answer: httpx2.Response, patience: float
) -> AsyncGenerator[bytes]:
    """Yield the body, unpacked; a provider that never ends is cut off."""
    size = 0
    unpack = _unpacker(provider, answer.headers.get("content-encoding", "").lower())
    with telling(provider, patience):
        async for packed in answer.aiter_raw():
            for part in unpack(packed):
                size += len(part)
                if size > _LARGEST_BYTES:
                    raise _failed(provider, f"sent more than {_LARGEST_BYTES} bytes")
                yield part


def _unpacker(provider: Provider, encoding: str) -> Callable[[bytes], Iterator[bytes]]:
    if encoding in ("", "identity"):
        return lambda packed: iter((packed,))
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise _failed(
            provider, f"sent a body packed as `{encoding[:20]}`, which it was asked not to"
        )
    unpacking = zlib.decompressobj(zlib.MAX_WBITS | 32)

    def unpack(packed: bytes) -> Iterator[bytes]:
        part = unpacking.decompress(packed, _UNPACKED_BYTES)
        while part:
            yield part
            part = unpacking.decompress(unpacking.unconsumed_tail, _UNPACKED_BYTES)

    return unpack


async def _without(key: str | None, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """Yield the body with the key taken out, also where it comes in two pieces."""
    secret, kept = (key or "").encode(), b""
    async for chunk in chunks:
        if len(secret) < _SHORTEST_SECRET:
            yield chunk
            continue
        found = (kept + chunk).replace(secret, _MARK)
        begun = next((n for n in range(len(secret) - 1, 0, -1) if found.endswith(secret[:n])), 0)
        kept = found[len(found) - begun :]
        yield found[: len(found) - begun]
    yield kept


async def _beginning(chunks: AsyncIterator[bytes]) -> bytes:
    found = bytearray()
    async for chunk in chunks:
        found += chunk
        if len(found) >= _ERROR_BYTES:
            break
    return bytes(found[:_ERROR_BYTES])


async def _once(body: bytes) -> AsyncGenerator[bytes]:
    yield body


def _headers(headers: httpx2.Headers, key: str | None) -> dict[str, str]:
    secret = key if key and len(key) >= _SHORTEST_SECRET else None
    found = {
        name: value
        for name, value in headers.items()
        if _SHOWN.fullmatch(name)
        and len(value) <= _MAX_HEADER_LENGTH
        and value.isascii()
        and (secret is None or secret not in value)
    }
    kind = headers.get("content-type", "").lower().split(";")[0].strip()
    shown = kind if kind in _KINDS else _TEXT
    return {**found, "content-type": shown, "x-content-type-options": "nosniff"}


def away(provider: Provider, error: Exception) -> ProviderAway:
    """Log why a provider cannot be reached, and return what an author is told."""
    _log(provider, error)
    return ProviderAway(f"The model provider `{provider}` cannot be reached just now.")


def _failed(provider: Provider, what: str) -> ProviderFailed:
    return ProviderFailed(f"The model provider `{provider}` {what}.")


def _log(provider: Provider, error: Exception) -> None:
    log.warning(
        "model provider failed",
        event_name="provider_failed",
        provider=provider.value,
        error=f"{type(error).__name__}: {error}"[:300],
    )
