"""A language model provider's response, as an author may see it: bounded, decompressed, without the operator's key."""

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
"""Decompressed at a time, however much a few bytes would expand to."""
_SHOWN = re.compile(
    r"(x-)?request-id|retry-after(-ms)?|x-should-retry|openai-(processing-ms|version)|(x|anthropic)-ratelimit-.*"
)
"""Response headers that clients read; others may reveal the operator's account."""
_MAX_HEADER_LENGTH = 500
_KINDS = ("application/json", "text/event-stream", "application/x-ndjson")
_TEXT = "text/plain; charset=utf-8"
"""Replaces any other content type: a browser must not mistake a response for one of our pages."""
_OF_THE_OPERATOR = (401, 402, 403)
"""Response statuses about the operator's key or account."""
_BAD_KEY = b"API_KEY_INVALID"
"""How Google reports a bad key, with status 400."""
_SHORTEST_SECRET = 16
"""A shorter key belongs to a local server that accepts any; it may be an ordinary word."""
_MARK = b"***"
_OK, _REDIRECT, _ERROR, _NONE = 200, 300, 400, 600


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A provider's response."""

    status: int
    headers: dict[str, str]
    chunks: AsyncIterator[bytes]
    """The decompressed body as it arrives; raises ProviderFailed or a subclass."""


async def received(
    provider: Provider, answer: httpx2.Response, key: str | None, patience: float
) -> Answer:
    """The response to pass on to an author.

    Raises:
        ProviderRefused: it concerns the operator's key, account or URL, such as a redirect.
        ProviderFailed: it was cut short.
    """
    status = answer.status_code
    if not (_OK <= status < _REDIRECT or _ERROR <= status < _NONE):
        raise ProviderRefused(
            f"The model provider `{provider}` responded with status {status}, which is not followed: the operator "
            f"must check `{provider.url_setting}`."
        )
    chunks = _without(key, _chunks(provider, answer, patience))
    if status >= _ERROR:
        said = await _beginning(chunks)
        if status in _OF_THE_OPERATOR or _BAD_KEY in said:
            log.warning(
                "model provider refused",
                event_name="provider_refused",
                provider=provider.value,
                status=status,
            )
            raise ProviderRefused(
                f"The model provider `{provider}` refuses this installation (status {status}), not the request: the "
                f"operator must check `{provider.key_setting}` and the account behind it."
            )
        chunks = _once(said)
    return Answer(status=status, headers=_headers(answer.headers, key), chunks=chunks)


@contextmanager
def telling(provider: Provider, patience: float) -> Generator[None]:
    """Turn a failed exchange into an error for the author; the details go to the operator's log.

    Raises:
        ProviderAway, ProviderSlow, ProviderFailed: the exchange failed.
    """
    try:
        yield
    except (httpx2.TimeoutException, TimeoutError) as error:
        if isinstance(error, httpx2.ConnectTimeout):
            raise away(provider, error) from error
        _log(provider, error)
        raise ProviderSlow(
            f"The model provider `{provider}` sent nothing for {patience:g} s."
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
        raise _failed(provider, "sent an unreadable response, or cut it short") from error


async def _chunks(
    provider: Provider, answer: httpx2.Response, patience: float
) -> AsyncGenerator[bytes]:
    """Yield the decompressed body; one that never ends is cut off."""
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
        raise _failed(provider, f"sent a body encoded as `{encoding[:20]}`, against the request")
    unpacking = zlib.decompressobj(zlib.MAX_WBITS | 32)

    def unpack(packed: bytes) -> Iterator[bytes]:
        part = unpacking.decompress(packed, _UNPACKED_BYTES)
        while part:
            yield part
            part = unpacking.decompress(unpacking.unconsumed_tail, _UNPACKED_BYTES)

    return unpack


async def _without(key: str | None, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """Yield the body with the key masked, even where it is split across chunks."""
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
    """Log why a provider is unreachable, and return the error for the author."""
    _log(provider, error)
    return ProviderAway(f"The model provider `{provider}` is unreachable right now.")


def _failed(provider: Provider, what: str) -> ProviderFailed:
    return ProviderFailed(f"The model provider `{provider}` {what}.")


def _log(provider: Provider, error: Exception) -> None:
    log.warning(
        "model provider failed",
        event_name="provider_failed",
        provider=provider.value,
        error=f"{type(error).__name__}: {error}"[:300],
    )
