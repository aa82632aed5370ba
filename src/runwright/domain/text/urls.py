"""Addresses that callers give: which are ones, the credentials in them, and how they are shown. Pure."""

from __future__ import annotations

import base64
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

import idna

MASK = "********"
"""Stands for a secret in answers; sent back, it means that the secret stays."""


class InvalidUrl(ValueError):
    """It is no address, and says why."""


def check(text: str) -> None:
    """Refuse what is no address of http or https.

    Raises:
        InvalidUrl: it is none.
    """
    try:
        parts = urlsplit(text)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_one = False
    if not is_one or any(char <= " " or char == "\x7f" for char in text):
        raise InvalidUrl("must be an http or https address")
    if MASK in text:
        raise InvalidUrl("has a mask where a secret was: give the whole address")
    ascii_host(urlsplit(text))


def ascii_host(parts: SplitResult) -> str:
    """Return the host as it stands in DNS: `bücher.example` is `xn--bcher-kva.example`.

    Raises:
        InvalidUrl: no host can be called so.
    """
    host = parts.hostname or ""
    if host.isascii():
        return host
    try:
        return idna.encode(host, uts46=True).decode()
    except idna.IDNAError as error:
        raise InvalidUrl(f"has a host that cannot be one: {error}") from error


def authorization(url: str) -> str | None:
    """Return the `Authorization` that stands for the user and password in an address, if it has them."""
    userinfo = urlsplit(url).netloc.rpartition("@")[0]
    user, _, password = userinfo.partition(":")
    if not user and not password:
        return None
    decoded = unquote_to_bytes(user) + b":" + unquote_to_bytes(password)
    return f"Basic {base64.b64encode(decoded).decode()}"


def masked(url: str) -> str:
    """Return an address without what is secret: its password, or a user that stands alone, and its query's values."""
    parts = urlsplit(url)
    userinfo, at, place = parts.netloc.rpartition("@")
    user, _, password = userinfo.partition(":")
    # A user without a password is a token.
    shown = f"{user}:{MASK}" if password else MASK
    query = "&".join(_masked_pair(pair) for pair in parts.query.split("&"))
    netloc = f"{shown}@{place}" if userinfo else f"{at}{place}"
    return parts._replace(netloc=netloc, query=query, fragment="").geturl()


def unmasked(given: object, known: str | None) -> object:
    """Return the known address for what it is shown as, and anything else as it is."""
    return known if known is not None and given == masked(known) else given


def secrets(url: str) -> list[str]:
    """Return what of an address must not be shown, as it may be told by who was sent it."""
    parts = urlsplit(url)
    userinfo = parts.netloc.rpartition("@")[0]
    user, _, password = userinfo.partition(":")
    basic = (authorization(url) or "").removeprefix("Basic ")
    values = [pair.partition("=")[2] if "=" in pair else pair for pair in parts.query.split("&")]
    found = [userinfo, password or user, basic, *values]
    plain = [unquote_to_bytes(each).decode("utf-8", "replace") for each in found]
    return [each for each in {*found, *plain} if each]


def is_same_origin(one: str, other: str) -> bool:
    """Return whether two addresses lead to the same scheme, host and port."""
    try:
        return _origin(one) == _origin(other)
    except ValueError:
        return False


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    default = 443 if parts.scheme == "https" else 80
    return parts.scheme, ascii_host(parts), parts.port or default


def _masked_pair(pair: str) -> str:
    name, equals, value = pair.partition("=")
    if not equals:
        return MASK if name else ""
    return f"{name}={MASK}" if value else pair
