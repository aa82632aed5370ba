"""Visits: sessions of the dashboard, started with an API key or a single-use link."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from runwright.control.access import keys
from runwright.control.base.platform import Platform
from runwright.domain.projects import ApiKey
from runwright.errors import Unauthorized
from runwright.storage import visits as rows

LINK_LIFE = timedelta(minutes=15)
_SECRET_BYTES = 32


async def begin(platform: Platform, api_key: str) -> str:
    """Start a visit with an API key; return the visit's secret, of which only a hash is stored.

    Raises:
        Unauthorized: the key does not exist or is revoked.
    """
    return await _begin(platform, await keys.authenticate(platform, api_key))


async def redeem(platform: Platform, link_secret: str) -> str:
    """Use up a link's secret and start a visit; return the visit's secret.

    Raises:
        Unauthorized: the link was already used or has expired, or its key is revoked.
    """
    key = await rows.redeem(platform.database, _hash(link_secret))
    if key is None:
        raise Unauthorized(
            "This sign-in link was already used or has expired: run `runwright dashboard` for a new one."
        )
    return await _begin(platform, key)


async def find(platform: Platform, secret: str) -> ApiKey | None:
    """The key of a visit; None when the visit is over or the key is revoked."""
    return await rows.find(platform.database, _hash(secret))


async def end(platform: Platform, secret: str) -> None:
    """End a visit: sign out."""
    await rows.end(platform.database, _hash(secret))


async def new_link(platform: Platform, key: ApiKey) -> str:
    """The secret of a new single-use link that signs in with that key, within `LINK_LIFE`."""
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    await rows.add_link(platform.database, _hash(secret), key.id, LINK_LIFE)
    return secret


async def _begin(platform: Platform, key: ApiKey) -> str:
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    await rows.begin(platform.database, _hash(secret), key.id, platform.settings.visit_lifetime)
    return secret


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()
