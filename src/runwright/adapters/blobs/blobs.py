"""The blob store: Bundles, traces and files, on disk or in a bucket, through obstore."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import LocalStore, from_url

from runwright import telemetry
from runwright.errors import BlobsAway, NotFound

log = telemetry.logger(__name__)

_CHUNK_BYTES = 256 * 1024
_PAGE = 1000
_ANSWER_SECONDS = 20.0
"""A store that has not answered by then counts as down; obstore itself retries for up to three minutes."""
_RETRIES = 5
"""All within about three seconds: longer outages are reported, and waited for in plain sight elsewhere."""
_BYTES_PER_SECOND = 1024 * 1024
_REFUSED = "The blob store rejects this server: the operator must check its credentials."
_FULL = "The blob store is full: the operator must free up space."
_MAX_REASON = 300
_QUERY = re.compile(r"\?\S*")
"""Removed from URLs in messages: it may contain credentials."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """Metadata of a stored blob."""

    key: str
    size_bytes: int
    changed_at: datetime


class Blobs:
    """Bytes by key; a key is a relative path of plain segments."""

    def __init__(self, store: Any, directory: Path | None = None) -> None:
        self._store = store
        self.directory = directory
        """Where the blobs are on this machine's disk; None: elsewhere."""

    async def put_file(
        self, key: str, path: Path, *, patience_seconds: float = _ANSWER_SECONDS
    ) -> None:
        """Store a file under the key, replacing any blob there.

        Raises:
            BlobsAway: the store refuses it, or takes longer than `patience_seconds` plus one second per MiB.
        """
        size_bytes = (await asyncio.to_thread(path.stat)).st_size
        async with _answering("put", patience_seconds + size_bytes / _BYTES_PER_SECOND):
            await obstore.put_async(self._store, key, path)

    async def exists(self, key: str) -> bool:
        """True when a blob is stored under the key."""
        return await self.size(key) is not None

    async def size(self, key: str) -> int | None:
        """The blob's size in bytes; None when nothing is stored under the key."""
        async with _answering("head"):
            try:
                return (await obstore.head_async(self._store, key))["size"]
            except FileNotFoundError:
                return None

    async def read(self, key: str) -> AsyncIterator[bytes]:
        """The blob in chunks; returns once the blob is known to exist.

        Raises:
            NotFound: nothing is stored under the key, or no longer.
            BlobsAway: the store does not answer; also raised between chunks.
        """
        async with _answering("get"):
            try:
                found = await obstore.get_async(self._store, key)
            except FileNotFoundError as error:
                raise NotFound(
                    "The file is no longer stored: its retention period may have passed."
                ) from error
        return _chunks(found)

    async def fetch(self, key: str, path: Path) -> None:
        """Write the blob to a local file."""
        with path.open("wb") as out:
            async for chunk in await self.read(key):
                out.write(chunk)

    async def pages(self, prefix: str) -> AsyncIterator[list[Stored]]:
        """List the blobs under a prefix, one page at a time."""
        listed: Any = obstore.list(self._store, prefix, chunk_size=_PAGE)  # pyright: ignore[reportUnknownMemberType]
        async for page in listed:
            yield [
                Stored(key=each["path"], size_bytes=each["size"], changed_at=each["last_modified"])
                for each in page
            ]

    async def delete_all(self, keys: Sequence[str]) -> None:
        """Delete the blobs under the keys; missing ones are ignored."""
        for start in range(0, len(keys), _PAGE):
            some = list(keys[start : start + _PAGE])
            try:
                async with _answering("delete", _ANSWER_SECONDS + len(some)):
                    await obstore.delete_async(self._store, some)
            except FileNotFoundError:
                for key in some:
                    await self.delete(key)

    async def delete(self, key: str) -> None:
        """Delete the blob under the key; a missing one is ignored."""
        async with _answering("delete"):
            try:
                await obstore.delete_async(self._store, key)
            except FileNotFoundError:
                return


def open_store(url: str | None, directory: Path) -> Blobs:
    """Open the bucket at the URL, or the directory when there is no URL."""
    if url is not None:
        return Blobs(from_url(url, retry_config={"max_retries": _RETRIES}))
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Blobs(LocalStore(str(directory), automatic_cleanup=True), directory)


async def _chunks(found: Any) -> AsyncIterator[bytes]:
    with _told("get"):
        async for chunk in found.stream(min_chunk_size=_CHUNK_BYTES):
            yield bytes(chunk)


@asynccontextmanager
async def _answering(asked: str, seconds: float = _ANSWER_SECONDS) -> AsyncGenerator[None]:
    """Time out when the store takes too long to answer."""
    with _told(asked):
        async with asyncio.timeout(seconds):
            yield


@contextmanager
def _told(asked: str) -> Generator[None]:
    """Turn a failure of the store into `BlobsAway`, and log it for the operator."""
    try:
        yield
    except (BaseError, TimeoutError) as error:
        reason = _reason(error)
        log.warning("blob store failed", event_name="blobs_failed", asked=asked, error=reason)
        if isinstance(error, PermissionDeniedError | UnauthenticatedError):
            raise BlobsAway(_REFUSED) from error
        raise BlobsAway(_FULL if "No space left" in reason else None) from error


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    return _QUERY.sub("", str(error).split("\n", 1)[0])[:_MAX_REASON]
