"""How the text of a setting is read: each function raises ValueError with what is wrong."""

from __future__ import annotations

import math
import shlex
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from urllib.parse import urlsplit

LAST_PORT = 65_535


def boolean(text: str) -> bool:
    """Return what a yes or no means."""
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
    """Return a whole number of at least 1."""
    number = int(text)
    if number < 1:
        raise ValueError(f"`{text}` is not at least 1")
    return number


def host(text: str) -> str:
    """Return a host's name or address; one of IPv6 may stand in brackets, as in a URL."""
    found = text.strip().removeprefix("[").removesuffix("]")
    if not found:
        raise ValueError("it is empty")
    return found


def port(text: str) -> int:
    """Return the number of a port; 0 takes a free one."""
    if not text.isdecimal() or int(text) > LAST_PORT:
        raise ValueError(f"`{text}` is not a port: a number up to {LAST_PORT}")
    return int(text)


def hour(text: str) -> int | None:
    """Return an hour of the day; `off` is None."""
    if text == "off":
        return None
    hour = int(text)
    if hour not in range(24):
        raise ValueError(f"`{text}` is neither an hour from 0 to 23 nor `off`")
    return hour


def natural(text: str) -> int:
    """Return a whole number of at least 0."""
    number = int(text)
    if number < 0:
        raise ValueError(f"`{text}` is negative")
    return number


def rate(text: str) -> float:
    """Return how many a second."""
    number = float(text)
    if not 0 <= number < math.inf:
        raise ValueError(f"`{text}` is no number of at least 0")
    return number


def seconds(text: str) -> timedelta:
    """Return a duration."""
    number = float(text)
    if number < 0:
        raise ValueError(f"`{text}` is negative")
    return timedelta(seconds=number)


def words(text: str) -> tuple[str, ...]:
    """Split as a shell does."""
    return tuple(shlex.split(text))


def url(text: str) -> str:
    """Return an address without a slash at its end."""
    if not text.startswith(("http://", "https://")):
        raise ValueError(f"`{text}` is no address such as `https://runwright.example.com`")
    return text.rstrip("/")


def base_url(text: str) -> str:
    """Return an address that paths are put behind, without a slash at its end.

    Raises:
        ValueError: it is none; what it holds beside host and path is not shown, since it may be a password.
    """
    try:
        parts = urlsplit(text.strip())
        is_whole = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError as error:
        raise ValueError("it is no address such as `http://localhost:11434/v1`") from error
    if parts.scheme not in ("http", "https") or not is_whole or not text.isascii():
        raise ValueError("it is no address such as `http://localhost:11434/v1`")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("only host, port and path are taken: no user, `?` or `#`")
    return text.strip().rstrip("/")


def json_or_file(text: str) -> str:
    """Return JSON, which begins with `{`, or what the file of that name holds.

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
    """Return an amount of money."""
    try:
        amount = Decimal(text.strip())
    except InvalidOperation as error:
        raise ValueError(f"`{text}` is no amount such as `2.50`") from error
    if not amount.is_finite() or amount < 0:
        raise ValueError(f"`{text}` is no amount of at least 0")
    return amount


def secret(text: str) -> str:
    """Return a key that stands in a header; spaces and line ends around it are dropped.

    Raises:
        ValueError: it cannot stand there; it is not shown.
    """
    found = text.strip()
    if not found or not all(" " < char <= "~" for char in found):
        raise ValueError("it must have printable ASCII characters alone, without spaces")
    return found


def log_format(text: str) -> str:
    """Return the name of a form of logs."""
    if text not in ("console", "json"):
        raise ValueError(f"`{text}` is neither `console` nor `json`")
    return text
