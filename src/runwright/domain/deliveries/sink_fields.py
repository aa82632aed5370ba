"""Reads the fields of sinks, and refuses what no sink can have. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urlsplit

from runwright.domain.text import urls
from runwright.domain.text.urls import MASK, InvalidUrl

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]{0,4096}")
_OWN_HEADERS = frozenset(
    ("host", "content-length", "transfer-encoding", "content-encoding", "connection", "keep-alive",
     "proxy-connection", "expect", "te", "trailer", "upgrade",
     "webhook-id", "webhook-timestamp", "webhook-signature")
)  # fmt: skip
"""They say how the request itself is sent, and who sent it."""
_MAX_TEXT = 2048
_MAX_PREFIX_BYTES = 700
"""A key has 1024, and what stands behind the prefix never more than the rest."""


class InvalidSink(ValueError):
    """A sink's field is wrong; `path` says which."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path


class Fields:
    """Takes typed fields out of a JSON object; null means absent."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self._body = body

    def value(self, name: str) -> Any:
        """Return a field as it is."""
        return self._body.get(name)

    def text(self, name: str, *, default: str | None = None) -> str:
        """Return a text."""
        value = self._body.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or len(value) > _MAX_TEXT or (not value and default is None):
            raise InvalidSink(name, f"must be a text of 1 to {_MAX_TEXT} characters")
        return value

    def boolean(self, name: str) -> bool:
        """Return a truth; absent it is false."""
        value = self._body.get(name)
        if value not in (None, True, False) or isinstance(value, int) != isinstance(value, bool):
            raise InvalidSink(name, "must be true or false")
        return value is True

    def texts(self, name: str) -> tuple[str, ...] | None:
        """Return a list of texts, or None."""
        value = self._body.get(name)
        if value is None:
            return None
        if not isinstance(value, list):
            raise InvalidSink(name, "must be a list of texts")
        items = cast("list[Any]", value)
        if not all(isinstance(item, str) for item in items):
            raise InvalidSink(name, "must be a list of texts")
        return tuple(str(item) for item in items)


def url(text: str, path: str) -> str:
    """Return an address of http or https as it was given.

    Raises:
        InvalidSink: it is invalid.
    """
    try:
        urls.check(text)
    except InvalidUrl as error:
        raise InvalidSink(path, str(error)) from error
    return text


def headers(value: Any, path: str) -> tuple[tuple[str, str], ...]:
    """Return headers as pairs, without white space around their values.

    Raises:
        InvalidSink: one cannot be sent, comes twice, or is the platform's own.
    """
    if value is None:
        return ()
    if not isinstance(value, dict):
        raise InvalidSink(path, "must be an object of texts")
    found: dict[str, tuple[str, str]] = {}
    for name, text in cast("dict[Any, Any]", value).items():
        below = f"{path}.{name}"
        if not isinstance(text, str) or not _HEADER_VALUE.fullmatch(text):
            raise InvalidSink(below, "must be a text that a header can hold")
        if text == MASK:
            raise InvalidSink(below, "is a mask, and no secret is known here: give the value")
        lower = str(name).lower()
        if not _HEADER_NAME.fullmatch(str(name)) or lower in _OWN_HEADERS:
            raise InvalidSink(below, "is no name of a header, or one that is set here")
        if lower in found:
            raise InvalidSink(below, f"is the same header as `{found[lower][0]}`")
        found[lower] = (str(name), text.strip(" \t"))
    return tuple(found.values())


def credential(fields: Fields, name: str) -> str:
    """Return a key of a bucket.

    Raises:
        InvalidSink: it cannot be one.
    """
    text = fields.text(name)
    if text == MASK:
        raise InvalidSink(name, "is a mask, and no secret is known here: give the value")
    # A line's end comes along when it is copied. The id stands in a header, the secret nowhere.
    is_plain = name == "secretAccessKey" or (text.isascii() and " " not in text)
    if text.strip() != text or not text.isprintable() or not is_plain:
        raise InvalidSink(
            name, "has characters that no such key has: look for spaces and line ends"
        )
    return text


def prefix(fields: Fields) -> str:
    """Return what stands before the name of each object.

    Raises:
        InvalidSink: it cannot be one.
    """
    found = fields.text("prefix", default="")
    if len(found.encode()) > _MAX_PREFIX_BYTES:
        raise InvalidSink("prefix", f"must be {_MAX_PREFIX_BYTES} bytes of UTF-8 at the most")
    if any(char < " " or char == "\x7f" for char in found):
        raise InvalidSink("prefix", "must have no control characters")
    if {".", ".."} & set(found.split("/")):
        raise InvalidSink(
            "prefix", "must have no part that is `.` or `..`: they are no folders here"
        )
    return found


def endpoint(text: str) -> str:
    """Return the address of an S3 that is not Amazon's.

    Raises:
        InvalidSink: it cannot be one.
    """
    parts = urlsplit(url(text, "endpoint"))
    if "@" in parts.netloc or parts.query or parts.fragment:
        message = (
            "must be an address without user, query and fragment, such as `https://s3.example.com`"
        )
        raise InvalidSink("endpoint", message)
    return text
