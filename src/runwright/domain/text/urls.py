"""URLs that callers provide: validation, the credentials in them, and masking. Pure."""

from __future__ import annotations

import base64
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

import idna

MASK = "********"
"""Stands for a secret in responses; a caller that sends it back keeps the secret."""


class InvalidUrl(ValueError):
    """The URL is invalid; the message says why."""


def check(text: str) -> None:
    """Reject anything but an http or https URL.

    Raises:
        InvalidUrl: the URL is invalid, or contains a mask.
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
    """The host as spelled in DNS: `bücher.example` becomes `xn--bcher-kva.example`.

    Raises:
        InvalidUrl: the host name is invalid.
    """
    host = parts.hostname or ""
    if host.isascii():
        return host
    try:
        return idna.encode(host, uts46=True).decode()
    except idna.IDNAError as error:
        raise InvalidUrl(f"has a host that cannot be one: {error}") from error


def authorization(url: str) -> str | None:
    """The `Authorization` header for the user and password in a URL, if it has any."""
    userinfo = urlsplit(url).netloc.rpartition("@")[0]
    user, _, password = userinfo.partition(":")
    if not user and not password:
        return None
    decoded = unquote_to_bytes(user) + b":" + unquote_to_bytes(password)
    return f"Basic {base64.b64encode(decoded).decode()}"


def masked(url: str) -> str:
    """A URL with its secrets masked: its password, or a user without one, and the values of its query."""
    parts = urlsplit(url)
    userinfo, at, place = parts.netloc.rpartition("@")
    user, _, password = userinfo.partition(":")
    # A user without a password is a token.
    shown = f"{user}:{MASK}" if password else MASK
    query = "&".join(_masked_pair(pair) for pair in parts.query.split("&"))
    netloc = f"{shown}@{place}" if userinfo else f"{at}{place}"
    return parts._replace(netloc=netloc, query=query, fragment="").geturl()


def unmasked(given: object, known: str | None) -> object:
    """The known URL if `given` is its masked form; otherwise `given` unchanged."""
    return known if known is not None and given == masked(known) else given


def secrets(url: str) -> list[str]:
    """The secrets in a URL, in every form in which a receiver might echo them."""
    parts = urlsplit(url)
    userinfo = parts.netloc.rpartition("@")[0]
    user, _, password = userinfo.partition(":")
    basic = (authorization(url) or "").removeprefix("Basic ")
    values = [pair.partition("=")[2] if "=" in pair else pair for pair in parts.query.split("&")]
    found = [userinfo, password or user, basic, *values]
    plain = [unquote_to_bytes(each).decode("utf-8", "replace") for each in found]
    return [each for each in {*found, *plain} if each]


def is_same_origin(one: str, other: str) -> bool:
    """True when two URLs have the same scheme, host and port."""
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
