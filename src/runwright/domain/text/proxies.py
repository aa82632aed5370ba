"""Which text is the address of a proxy. Pure."""

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
"""Of a SOCKS proxy's user name and password."""
EXPECTED = "must be a URL such as `http://user:pass@host:port` (http, https or socks5)"
"""What is said of a text that is none."""


def is_proxy(text: str) -> bool:
    """Return whether the text is an address that a browser can be sent through."""
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
    """A proxy's URL as it was given.

    Raises:
        ValueError: it is none.
    """
    if not is_proxy(text):
        raise ValueError(EXPECTED)
    return text


Proxy = Annotated[str, AfterValidator(checked), fields.Expected(EXPECTED)]
"""As a field of a body."""


def place(url: str) -> str:
    """Return where a proxy is, without what is secret of its address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _is_host(host: str) -> bool:
    if ":" in host:
        # A zone means something on this machine alone, and nothing to a browser.
        return "%" not in host and bool(ipaddress.IPv6Address(host))
    if host.rstrip(".").rpartition(".")[2].isdecimal():
        return bool(ipaddress.IPv4Address(host))
    return len(host) <= _MAX_NAME_LENGTH and _NAME.fullmatch(host) is not None


def _fits_socks(text: str) -> bool:
    return len(unquote(text).encode()) <= _MAX_CREDENTIAL_BYTES
