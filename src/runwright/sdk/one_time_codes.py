"""One-time codes, as an authenticator app shows them."""

from __future__ import annotations

import asyncio
import binascii
import hashlib
import importlib
import time
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit


async def one_time_code(secret: str, *, at_least: timedelta = timedelta(seconds=3)) -> str:
    """The current code of an authenticator (TOTP), or the next one if this is about to expire.

    `secret` is what the site shows during two-factor setup: base32, with or without spaces, or the
    full `otpauth://` URL from its QR code. The code stays valid for at least `at_least`.

    Raises:
        ValueError: the secret is neither; the message does not quote it.
        RuntimeError: `pyotp` is not installed: add it to the project's dependencies.
    """
    try:
        code = _generator(secret)
        left = code.interval - time.time() % code.interval
        if left < at_least.total_seconds():
            await asyncio.sleep(left)
        return str(code.now())
    except (binascii.Error, ValueError, KeyError, AttributeError):
        # Drop the cause, which may contain the secret.
        message = "the secret of a one-time code must be base32 or an `otpauth://totp/…` URL"
        raise ValueError(message) from None


def _generator(secret: str) -> Any:
    try:
        pyotp: Any = importlib.import_module("pyotp")
    except ImportError as error:
        message = "`one_time_code` needs the package `pyotp`: add it to the project's dependencies"
        raise RuntimeError(message) from error

    class Code(pyotp.TOTP):
        # Sites still issue 80-bit secrets, and the choice is theirs.
        min_secret_length_bits = 0

    if not secret.startswith("otpauth://"):
        return Code("".join(secret.split()).upper())
    address = urlsplit(secret)
    asked = {name: values[0] for name, values in parse_qs(address.query).items()}
    if address.netloc != "totp":
        raise ValueError(address.netloc)
    return Code(
        asked["secret"].upper(),
        digits=int(asked.get("digits", "6")),
        digest=getattr(hashlib, asked.get("algorithm", "SHA1").lower()),
        interval=int(asked.get("period", "30")),
    )
