"""Rotates the key that seals secrets, without downtime."""

from __future__ import annotations

import asyncio

from runwright.adapters import vault
from runwright.control.base.platform import Platform
from runwright.errors import Conflict
from runwright.storage import secrets as rows
from runwright.storage.secrets import SealedColumn

_ROUNDS = 20


async def rotate(platform: Platform) -> int:
    """Seal everything with a new key; return how many values were resealed.

    The previous key stays in the file until the next rotation, and opens what another process may still
    seal with it. Where the key is a setting, the operator has already put the new one there.

    Raises:
        Conflict: the key is a setting, and the previous key is not set.
    """
    settings = platform.settings
    if settings.secret_key is None:
        secret = vault.new_secret()
        # Values sealed before the last rotation must be resealed before their key is dropped.
        await _seal_anew(platform)
        await asyncio.to_thread(vault.add_key, settings.secret_file, secret)
        platform.vault.rotate(secret)
    elif settings.old_secret_key is None:
        raise Conflict(
            "The key is set by `RUNWRIGHT_SECRET_KEY`: start every process with a new one there and "
            "the current one in `RUNWRIGHT_OLD_SECRET_KEY`, then rotate again."
        )
    return await _seal_anew(platform)


async def _seal_anew(platform: Platform) -> int:
    done = 0
    for _ in range(_ROUNDS):
        found = 0
        for column in rows.COLUMNS:
            key_id = platform.vault.key_id
            for key in await rows.sealed_otherwise(platform.database, column, key_id):
                found += 1
                done += await _seal_one(platform, column, key)
        if not found:
            break
    return done


async def _seal_one(platform: Platform, column: SealedColumn, key: tuple[str, ...]) -> bool:
    sealed = await rows.get(platform.database, column, key)
    if sealed is None:
        return False
    record = column.record_of(key)
    again = platform.vault.seal(platform.vault.open(sealed, record=record), record=record)
    return await rows.replace(platform.database, column, key, sealed, again)
