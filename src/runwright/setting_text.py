"""Parsers for the text of a setting: each raises ValueError that says what is wrong."""

from __future__ import annotations

import math
import shlex
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from urllib.parse import urlsplit

LAST_PORT = 65_535


def boolean(text: str) -> bool:
    """Parse `true`, `yes`, `on`, `1` or the opposites, in any case."""
    known = {
        "1": True,
        "true": True,
        "yes": True,
        "on": True,
        "0": False,
        "false": False,
        "no": False,
        "off": False,
    }
    if text.lower() not in known:
        raise ValueError(f"`{text}` is neither `true` nor `false`")
    return known[text.lower()]


def positive(text: str) -> int:
    """Parse an integer of at least 1."""
    number = int(text)
    if number < 1:
        raise ValueError(f"`{text}` is not at least 1")
    return number


def host(text: str) -> str:
    """Parse a host name or address; an IPv6 address may be in brackets, as in a URL."""
    found = text.strip().removeprefix("[").removesuffix("]")
    if not found:
        raise ValueError("it is empty")
    return found


def port(text: str) -> int:
    """Parse a port number; 0 picks a free port."""
    if not text.isdecimal() or int(text) > LAST_PORT:
        raise ValueError(f"`{text}` is not a port: a number up to {LAST_PORT}")
    return int(text)


def hour(text: str) -> int | None:
    """Parse an hour of the day; `off` is None."""
    if text == "off":
        return None
    hour = int(text)
    if hour not in range(24):
        raise ValueError(f"`{text}` is neither an hour from 0 to 23 nor `off`")
    return hour


def natural(text: str) -> int:
    """Parse an integer of at least 0."""
    number = int(text)
    if number < 0:
        raise ValueError(f"`{text}` is negative")
    return number


def rate(text: str) -> float:
    """Parse a number per second."""
    number = float(text)
    if not 0 <= number < math.inf:
        raise ValueError(f"`{text}` is not a number of at least 0")
    return number


def seconds(text: str) -> timedelta:
    """Parse a duration in seconds."""
    number = float(text)
    if number < 0:
        raise ValueError(f"`{text}` is negative")
    return timedelta(seconds=number)


def words(text: str) -> tuple[str, ...]:
    """Split the way a shell does."""
    return tuple(shlex.split(text))


def url(text: str) -> str:
    """Parse an `http` or `https` URL; trailing slashes are dropped."""
    if not text.startswith(("http://", "https://")):
        raise ValueError(f"`{text}` is not a URL such as `https://runwright.example.com`")
    return text.rstrip("/")


def base_url(text: str) -> str:
    """Parse a URL that paths are appended to; trailing slashes are dropped.

    Raises:
        ValueError: it is not such a URL; the message does not quote it, since it may hold a password.
    """
    try:
        parts = urlsplit(text.strip())
        is_whole = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError as error:
        raise ValueError("it is not a URL such as `http://localhost:11434/v1`") from error
    if parts.scheme not in ("http", "https") or not is_whole or not text.isascii():
        raise ValueError("it is not a URL such as `http://localhost:11434/v1`")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("only host, port and path are allowed: no user, `?` or `#`")
    return text.strip().rstrip("/")


def json_or_file(text: str) -> str:
    """Return JSON, recognized by its leading `{`, or the contents of the named file.

    Raises:
        ValueError: the file cannot be read.
    """
    if text.lstrip().startswith("{"):
        return text
    try:
        return Path(text).read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise ValueError(f"the file `{text}` cannot be read: {error}") from error


def money(text: str) -> Decimal:
    """Parse an amount of money."""
    try:
        amount = Decimal(text.strip())
    except InvalidOperation as error:
        raise ValueError(f"`{text}` is not an amount such as `2.50`") from error
    if not amount.is_finite() or amount < 0:
        raise ValueError(f"`{text}` is not an amount of at least 0")
    return amount


def secret(text: str) -> str:
    """Parse a key that is sent in a header; surrounding whitespace is dropped.

    Raises:
        ValueError: a header cannot carry it; the message does not quote it.
    """
    found = text.strip()
    if not found or not all(" " < char <= "~" for char in found):
        raise ValueError("it must consist of printable ASCII characters without spaces")
    return found


def log_format(text: str) -> str:
    """Parse `console` or `json`."""
    if text not in ("console", "json"):
        raise ValueError(f"`{text}` is neither `console` nor `json`")
    return text
