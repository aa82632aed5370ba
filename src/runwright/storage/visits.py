"""Visits of the dashboard and links to begin one, as rows: only hashes of their secrets."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from runwright.domain.ids import KeyId
from runwright.domain.projects import ApiKey
from runwright.storage.database import queries
from runwright.storage.platform import key_of

_SQL = queries("visits")


async def begin(connection: Any, secret_sha256: bytes, key_id: KeyId, life: timedelta) -> None:
    """Keep a new visit."""
    await connection.execute(_SQL["begin"], secret_sha256, key_id, life)


async def find(connection: Any, secret_sha256: bytes) -> ApiKey | None:
    """Return the key of a visit, unless the visit is over or the key revoked."""
    row = await connection.fetchrow(_SQL["find"], secret_sha256)
    return None if row is None else key_of(row)


async def end(connection: Any, secret_sha256: bytes) -> None:
    """End a visit."""
    await connection.execute(_SQL["end_visit"], secret_sha256)


async def add_link(connection: Any, secret_sha256: bytes, key_id: KeyId, life: timedelta) -> None:
    """Keep a link to sign in with."""
    await connection.execute(_SQL["add_link"], secret_sha256, key_id, life)


async def redeem(connection: Any, secret_sha256: bytes) -> ApiKey | None:
    """Take a link, which is good once; return its key, unless it has expired or the key is revoked."""
    row = await connection.fetchrow(_SQL["redeem"], secret_sha256)
    return None if row is None else key_of(row)
