"""Validates and displays proxy URLs. Pure."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator

from runwright.domain.text import fields
from runwright.domain.text.urls import MASK

_SCHEMES = ("http", "https", "socks5", "socks5h")
_LABEL = r"\w(?:[\w-]*\w)?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_MAX_NAME_LENGTH = 253
_MAX_CREDENTIAL_BYTES = 255
"""The limit for a SOCKS proxy's user name and password, each."""
EXPECTED = "must be a URL such as `http://user:pass@host:port` (http, https or socks5)"
"""The error message for an invalid URL."""


def is_proxy(text: str) -> bool:
    """True for the URL of a proxy that a browser can use."""
    try:
        parts = urlsplit(text)
        is_place = parts.port != 0 and _is_host(parts.hostname or "")
    except ValueError:
        return False
    credentials = (parts.username or "", parts.password or "")
    return (
        parts.scheme in _SCHEMES
        and is_place
        and text.isprintable()
        and MASK not in text
        and (not parts.scheme.startswith("socks") or all(map(_fits_socks, credentials)))
    )


def checked(text: str) -> str:
    """Return a proxy's URL unchanged if it is valid.

    Raises:
        ValueError: the URL is invalid.
    """
    if not is_proxy(text):
        raise ValueError(EXPECTED)
    return text


Proxy = Annotated[str, AfterValidator(checked), fields.Expected(EXPECTED)]
"""A proxy as a field of a body."""


def place(url: str) -> str:
    """A proxy's scheme, host and port, without its credentials."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _is_host(host: str) -> bool:
    if ":" in host:
        # A zone ID only has meaning on this machine, and browsers do not support it.
        return "%" not in host and bool(ipaddress.IPv6Address(host))
    if host.rstrip(".").rpartition(".")[2].isdecimal():
        return bool(ipaddress.IPv4Address(host))
    return len(host) <= _MAX_NAME_LENGTH and _NAME.fullmatch(host) is not None


def _fits_socks(text: str) -> bool:
    return len(unquote(text).encode()) <= _MAX_CREDENTIAL_BYTES
