"""Which text is the address of a proxy. Pure."""

from __future__ import annotations

from urllib.parse import urlsplit

_SCHEMES = ("http", "https", "socks5")
EXPECTED = "must be a URL such as `http://user:pass@host:port` (http, https or socks5)"
"""What is said of a text that is none."""


def is_proxy(text: str) -> bool:
    """Return whether the text is an address that a browser can be sent through."""
    try:
        parts = urlsplit(text)
        return parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
