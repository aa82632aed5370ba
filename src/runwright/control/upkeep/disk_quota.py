"""Keeps the blob store from filling the disk: removes the oldest files of ended Runs, then unneeded Bundles."""

from __future__ import annotations

from runwright.adapters.bundles import bundles
from runwright.control.base.platform import Platform
from runwright.control.upkeep import orphans, retention
from runwright.domain.retention import Kind, Removed
from runwright.errors import Conflict
from runwright.storage import retention as rows

_FILES = 500
_BUNDLES = 10_000


async def shed(platform: Platform, size_bytes: int) -> list[Removed]:
    """Remove about this many bytes of dispensable blobs, or all there are; return what was removed.

    Only if the blobs are in the data directory. Never removes a file of an unfinished Run, nor a Bundle that
    is current, being deployed, or needed by such a Run.
    """
    if platform.blobs.directory is None:
        return []
    try:
        async with retention.alone(platform):
            return await _shed(platform, size_bytes)
    except Conflict:
        # A backup or pruning is in progress.
        return []


async def _shed(platform: Platform, size_bytes: int) -> list[Removed]:
    removed: list[Removed] = []
    while (left := size_bytes - sum(each.size_bytes for each in removed)) > 0:
        forgotten = await rows.forget_oldest_files(platform.database, left, _FILES)
        if not forgotten:
            return removed + await _shed_bundles(platform, left)
        removed.append(await orphans.drop_files(platform, forgotten))
    return removed


async def _shed_bundles(platform: Platform, size_bytes: int) -> list[Removed]:
    removed: list[Removed] = []
    for sha256 in await rows.oldest_bundles(platform.database, _BUNDLES):
        if sum(each.size_bytes for each in removed) >= size_bytes:
            break
        size = await platform.blobs.size(bundles.blob_key(sha256))
        if size and await orphans.drop_bundle(platform, sha256, rows.is_bundle_needed):
            removed.append(Removed(kind=Kind.BUNDLES, count=1, size_bytes=size))
    return removed
