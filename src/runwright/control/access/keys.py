"""API keys and the workspace they belong to."""

from __future__ import annotations

import hashlib
import secrets
import uuid

from runwright.control.base.platform import Platform
from runwright.domain.ids import WorkspaceId, new_key_id
from runwright.domain.projects import ALL_SCOPES, ApiKey, Scope
from runwright.errors import NotFound, Problem, Unauthorized, ValidationError
from runwright.storage import database, platform as rows

_PREFIX = "rw_"
_SECRET_BYTES = 32
_MAX_NAME_LENGTH = 100
_FIRST_KEY_LOCK = 7_240_118


async def authenticate(platform: Platform, secret: str) -> ApiKey:
    """Find the key with that secret.

    The secret is 256 random bits and looked up by its hash, so the timing of the lookup reveals
    nothing about any key.

    Raises:
        Unauthorized: the key does not exist or is revoked.
    """
    if not secret.startswith(_PREFIX) or not secret.isascii():
        raise Unauthorized
    key = await rows.find_key(platform.database, _hash(secret))
    if key is None or key.revoked_at is not None:
        raise Unauthorized
    return key


async def create(
    platform: Platform, workspace_id: WorkspaceId, *, name: str, scopes: frozenset[Scope]
) -> tuple[ApiKey, str]:
    """Create a key; only this return value contains its secret.

    Raises:
        ValidationError: the name is empty or too long, or no scope is given.
    """
    if not 1 <= len(name) <= _MAX_NAME_LENGTH or "\0" in name:
        raise ValidationError(
            [Problem(path="name", message=f"must have 1 to {_MAX_NAME_LENGTH} characters")]
        )
    if not scopes:
        raise ValidationError([Problem(path="scopes", message="must name at least one scope")])
    secret = _PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
    key = await rows.add_key(
        platform.database, new_key_id(), workspace_id, name, _hash(secret), scopes
    )
    return key, secret


async def list_all(platform: Platform, workspace_id: WorkspaceId) -> list[ApiKey]:
    """The keys of a workspace, newest first, including revoked ones."""
    return await rows.keys(platform.database, workspace_id)


async def revoke(platform: Platform, workspace_id: WorkspaceId, key_id: str) -> None:
    """Revoke a key.

    Raises:
        NotFound: the workspace has no such key.
    """
    if "\0" in key_id or not await rows.revoke_key(platform.database, workspace_id, key_id):
        raise NotFound(f"There is no API key `{key_id}` in this workspace.")


async def ensure_first(platform: Platform, known_secret: str | None) -> tuple[WorkspaceId, str]:
    """The first workspace and a working key for it, created if missing.

    `known_secret` is the secret that an earlier start recorded; a new key is created only if that one no
    longer works.
    """
    async with platform.database.acquire() as connection, database.transaction(connection):
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _FIRST_KEY_LOCK)
        workspace_id = await rows.first_workspace(connection)
        if workspace_id is None:
            workspace_id = await rows.add_workspace(connection, uuid.uuid4(), "default")
        if known_secret is not None:
            key = await rows.find_key(connection, _hash(known_secret))
            if key is not None and key.revoked_at is None and key.workspace_id == workspace_id:
                return workspace_id, known_secret
        secret = _PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
        await rows.add_key(
            connection, new_key_id(), workspace_id, "first key", _hash(secret), ALL_SCOPES
        )
        return workspace_id, secret


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
