"""One-time codes: the published vectors, and every form in which a site shows a secret."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
import time_machine

from runwright.sdk import one_time_code

# The vectors of RFC 6238, appendix B: the same text for every algorithm, of its length.
_TEXT = "1234567890" * 7


def _address(algorithm: str, length: int) -> str:
    secret = base64.b32encode(_TEXT[:length].encode()).decode().rstrip("=")
    return f"otpauth://totp/Site:anna?secret={secret}&digits=8&algorithm={algorithm}&period=30"


@pytest.mark.parametrize(
    ("seconds", "algorithm", "length", "code"),
    [
        (1111111111, "SHA1", 20, "14050471"),
        (1234567890, "SHA256", 32, "91819424"),
        (2000000000, "SHA512", 64, "38618901"),
    ],
)
async def test_codes_are_those_of_the_standard(
    seconds: int, algorithm: str, length: int, code: str
) -> None:
    with time_machine.travel(datetime.fromtimestamp(seconds, UTC), tick=False):
        assert await one_time_code(_address(algorithm, length)) == code


async def test_a_short_secret_with_spaces_is_taken_as_sites_show_it() -> None:
    with time_machine.travel(datetime.fromtimestamp(0, UTC), tick=False):
        assert await one_time_code("jbsw y3dp ehpk 3pxp") == "282760"


@pytest.mark.parametrize(
    "secret", ["not base32!", "otpauth://hotp/x?secret=JBSWY3DPEHPK3PXP", "otpauth://totp/x"]
)
async def test_what_is_no_secret_is_refused_without_showing_it(secret: str) -> None:
    with pytest.raises(ValueError, match="must be base32") as caught:
        await one_time_code(secret)

    assert secret not in str(caught.value)
    assert caught.value.__suppress_context__
