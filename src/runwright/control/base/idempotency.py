"""Idempotency keys: a repeated request gets the first response; a different request with the same key is rejected."""

from __future__ import annotations

from runwright.control.base.platform import Platform
from runwright.errors import Conflict


def signed(platform: Platform, key: str | None, request_text: str) -> bytes | None:
    """A keyed signature that identifies the request later; None without a key.

    A plain hash would let others guess a password in the request.
    """
    return platform.vault.sign(request_text).encode() if key else None


def check(platform: Platform, key: str, request_text: str, known: bytes | None) -> None:
    """Reject a key whose first request, signed as `known`, was a different one.

    Raises:
        Conflict: the requests differ.
    """
    if not platform.vault.is_signed(request_text, (known or b"").decode("utf-8", "replace")):
        raise Conflict(
            f"The idempotency key `{key}` was used with a different request: "
            "send the same request again, or use a new key."
        )
