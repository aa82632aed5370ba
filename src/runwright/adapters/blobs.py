"""The blob store: bundles, traces and files, on disk or in a bucket, through obstore."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import obstore
from obstore.store import LocalStore, from_url

from runwright.errors import NotFound

_CHUNK_BYTES = 256 * 1024


class Blobs:
    """Bytes by key; a key is a relative path of plain segments."""

    def __init__(self, store: Any) -> None:
        self._store = store

    async def put_file(self, key: str, path: Path) -> None:
        """Store the file's bytes under the key, replacing what was there."""
        await obstore.put_async(self._store, key, path)

    async def exists(self, key: str) -> bool:
        """Return whether something is stored under the key."""
        try:
            await obstore.head_async(self._store, key)
        except FileNotFoundError:
            return False
        return True

    async def read(self, key: str) -> AsyncIterator[bytes]:
        """Yield the bytes in chunks.

        Raises:
            NotFound: nothing is stored under the key (any more).
        """
        try:
            found = await obstore.get_async(self._store, key)
        except FileNotFoundError as error:
            raise NotFound(
                "The file is no longer stored: it may have passed its retention."
            ) from error
        async for chunk in found.stream(min_chunk_size=_CHUNK_BYTES):
            yield bytes(chunk)

    async def fetch(self, key: str, path: Path) -> None:
        """Write the bytes to a new file."""
        with path.open("wb") as out:
            async for chunk in self.read(key):
                out.write(chunk)

    async def delete(self, key: str) -> None:
        """Forget what is stored under the key, if anything."""
        try:
            await obstore.delete_async(self._store, key)
        except FileNotFoundError:
            return


def open_store(url: str | None, directory: Path) -> Blobs:
    """Open the bucket at the URL, or the directory when there is no URL."""
    if url is not None:
        return Blobs(from_url(url))
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Blobs(LocalStore(str(directory)))
