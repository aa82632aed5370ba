"""Orphans: blobs whose row was never committed, or was deleted first."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from runwright.adapters.blobs.blobs import Stored
from runwright.adapters.bundles import bundles
from runwright.control.base.platform import Platform
from runwright.domain.retention import Kind, Removed
from runwright.storage import database, retention as rows

_LIFE = timedelta(days=1)
"""A younger blob may still be waiting for its row."""


async def remove(platform: Platform, *, is_dry: bool) -> AsyncGenerator[Removed]:
    """Remove blobs that are at least a day old and have no row, page by page."""
    before = datetime.now(UTC) - _LIFE
    async for page in platform.blobs.pages("runs"):
        old = [each for each in page if each.changed_at < before]
        known = await rows.known_blobs(platform.database, [each.key for each in old])
        lost = [each for each in old if each.key not in known]
        if not is_dry:
            await platform.blobs.delete_all([each.key for each in lost])
        yield _removed(lost)
    async for page in platform.blobs.pages("bundles"):
        old = {bundles.sha256_of(each.key): each for each in page if each.changed_at < before}
        known = await rows.known_bundles(platform.database, list(old))
        lost = [each for sha256, each in old.items() if sha256 not in known]
        if not is_dry:
            lost = [
                each
                for each in lost
                if await drop_bundle(platform, bundles.sha256_of(each.key), rows.is_bundle_wanted)
            ]
        yield _removed(lost)


async def drop_files(platform: Platform, forgotten: list[rows.ForgottenFile]) -> Removed:
    """Delete the blobs of files whose rows have been deleted."""
    await platform.blobs.delete_all([each.blob for each in forgotten])
    size = sum(each.size_bytes for each in forgotten)
    return Removed(kind=Kind.FILES, count=len(forgotten), size_bytes=size)


async def drop_bundle(
    platform: Platform, sha256: str, is_kept: Callable[[Any, str], Awaitable[bool]]
) -> bool:
    """Delete a Bundle unless `is_kept` says otherwise or a deploy is using it right now."""
    async with platform.database.acquire() as connection, database.transaction(connection):
        if not await rows.lock_bundle(connection, sha256) or await is_kept(connection, sha256):
            return False
        await platform.blobs.delete(bundles.blob_key(sha256))
    return True


def _removed(lost: list[Stored]) -> Removed:
    size = sum(each.size_bytes for each in lost)
    return Removed(kind=Kind.ORPHANS, count=len(lost), size_bytes=size)
