"""One-time codes, as an authenticator app shows them."""

from __future__ import annotations

import asyncio
import binascii
import importlib
import time
from datetime import timedelta
from typing import Any


async def one_time_code(secret: str, *, at_least: timedelta = timedelta(seconds=3)) -> str:
    """Return the present code of an authenticator (TOTP), waiting for the next if it is about to end.

    `secret` is what the site shows when two-factor sign-in is set up: base32, with or without
    spaces, or the whole `otpauth://` address of its picture. The code is good for `at_least` longer.

    Raises:
        ValueError: the secret is neither.
        RuntimeError: the project does not have `pyotp`, which this needs: add it to its dependencies.
    """
    pyotp = _library()
    try:
        code: Any = (
            pyotp.parse_uri(secret)
            if secret.startswith("otpauth://")
            else pyotp.TOTP("".join(secret.split()).upper())
        )
        left = code.interval - time.time() % code.interval
        if left < at_least.total_seconds():
            await asyncio.sleep(left)
        return str(code.now())
    except (binascii.Error, ValueError, AttributeError):
        # Without the cause, which may show the secret.
        message = "the secret of a one-time code must be base32 or an `otpauth://totp/…` address"
        raise ValueError(message) from None


def _library() -> Any:
    try:
        return importlib.import_module("pyotp")
    except ImportError as error:
        message = "`one_time_code` needs the package `pyotp`: add it to the project's dependencies"
        raise RuntimeError(message) from error
