"""Idempotency keys: the same key with the same request gives the first answer, with another it is refused."""

from __future__ import annotations

from runwright.control.base.platform import Platform
from runwright.errors import Conflict


def signed(platform: Platform, key: str | None, request_text: str) -> bytes | None:
    """Return what tells later whether a request is the same; None without a key.

    It is keyed, because the request may hold a password that others could guess by its hash.
    """
    return platform.vault.sign(request_text).encode() if key else None


def check(platform: Platform, key: str, request_text: str, known: bytes | None) -> None:
    """Refuse a key whose first request, signed as `known`, was another one.

    Raises:
        Conflict: it was.
    """
    if not platform.vault.is_signed(request_text, (known or b"").decode("utf-8", "replace")):
        raise Conflict(
            f"The idempotency key `{key}` was used with another request: "
            "send the same request again, or use a new key."
        )
