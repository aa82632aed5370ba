"""Rows of dashboard sessions and sign-in links; only hashes of their secrets are stored."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from runwright.domain.ids import KeyId
from runwright.domain.projects import ApiKey
from runwright.storage.database import queries
from runwright.storage.platform import key_of

_SQL = queries("visits")


async def begin(connection: Any, secret_sha256: bytes, key_id: KeyId, life: timedelta) -> None:
    """Insert a dashboard session."""
    await connection.execute(_SQL["begin"], secret_sha256, key_id, life)


async def find(connection: Any, secret_sha256: bytes) -> ApiKey | None:
    """The API key of a dashboard session, unless the session has ended or the key is revoked."""
    row = await connection.fetchrow(_SQL["find"], secret_sha256)
    return None if row is None else key_of(row)


async def end(connection: Any, secret_sha256: bytes) -> None:
    """End a dashboard session."""
    await connection.execute(_SQL["end_visit"], secret_sha256)


async def add_link(connection: Any, secret_sha256: bytes, key_id: KeyId, life: timedelta) -> None:
    """Insert a sign-in link."""
    await connection.execute(_SQL["add_link"], secret_sha256, key_id, life)


async def redeem(connection: Any, secret_sha256: bytes) -> ApiKey | None:
    """Use up a single-use link; return its API key, unless the link has expired or the key is revoked."""
    row = await connection.fetchrow(_SQL["redeem"], secret_sha256)
    return None if row is None else key_of(row)
