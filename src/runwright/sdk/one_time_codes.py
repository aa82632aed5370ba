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
    """Return the present code of an authenticator (TOTP), waiting for the next if it is about to end.

    `secret` is what the site shows when two-factor sign-in is set up: base32, with or without
    spaces, or the whole `otpauth://` address of its picture. The code is good for `at_least` longer.

    Raises:
        ValueError: the secret is neither.
        RuntimeError: the project does not have `pyotp`, which this needs: add it to its dependencies.
    """
    try:
        code = _generator(secret)
        left = code.interval - time.time() % code.interval
        if left < at_least.total_seconds():
            await asyncio.sleep(left)
        return str(code.now())
    except (binascii.Error, ValueError, KeyError, AttributeError):
        # Without the cause, which may show the secret.
        message = "the secret of a one-time code must be base32 or an `otpauth://totp/…` address"
        raise ValueError(message) from None


def _generator(secret: str) -> Any:
    try:
        pyotp: Any = importlib.import_module("pyotp")
    except ImportError as error:
        message = "`one_time_code` needs the package `pyotp`: add it to the project's dependencies"
        raise RuntimeError(message) from error

    class Code(pyotp.TOTP):
        # Sites give out 80 bits to this day, and it is theirs to choose.
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
