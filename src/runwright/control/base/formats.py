"""String formats in parameter schemas: requests are accepted exactly when Runners can build the instance."""

from __future__ import annotations

import base64
import ipaddress
import re
import uuid
import zoneinfo
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any

import jsonschema_rs
from pydantic import AnyUrl, TypeAdapter

_CLOCK = r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)?"
_TIME = re.compile(rf"{_CLOCK}([Zz]|[+-]([01]\d|2[0-3]):?[0-5]\d)?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DURATION = re.compile(
    r"[+-]?P(?=[\dT])(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+(\.\d{1,9})?S)?)?",
    re.ASCII,
)
_URL = TypeAdapter(AnyUrl)
_LENGTH = TypeAdapter(timedelta)
_EMAIL = jsonschema_rs.validator_for(
    {"format": "idn-email"},
    validate_formats=True,
    email_options=jsonschema_rs.EmailOptions(
        require_tld=True, allow_domain_literal=False, allow_display_text=False
    ),
)
_RESERVED_DOMAINS = ("arpa", "invalid", "local", "localhost", "onion", "test")
"""Domains that receive no mail (RFC 6761 and its successors)."""


def _date(text: str) -> object:
    return _DATE.fullmatch(text) and date.fromisoformat(text)


def _time(text: str) -> object:
    return _TIME.fullmatch(text) and time.fromisoformat(text.upper())


def _datetime(text: str) -> object:
    day, separator, clock = text[:10], text[10:11], text[11:]
    is_written_so = _DATE.fullmatch(day) and separator in ("T", "t", " ") and _TIME.fullmatch(clock)
    return is_written_so and datetime.fromisoformat(text.upper())


def _duration(text: str) -> object:
    return _DURATION.fullmatch(text) and (_LENGTH.validate_python(text), text)


def _uri(text: str) -> object:
    return _URL.validate_python(text)


def _email(text: str) -> object:
    return _EMAIL.is_valid(text) and text.rpartition(".")[2].lower() not in _RESERVED_DOMAINS


def _base64(text: str) -> object:
    return (base64.b64decode(text, validate=True), text)


def _base64url(text: str) -> object:
    return (base64.b64decode(text.encode(), altchars=b"-_", validate=True), text)


def _uuid(version: int) -> Callable[[str], object]:
    return lambda text: str(found := uuid.UUID(text)) == text.lower() and found.version == version


def _zone(text: str) -> object:
    return zoneinfo.ZoneInfo(text)


_MAKERS: dict[str, Callable[[str], object]] = {
    "date": _date,
    "time": _time,
    "date-time": _datetime,
    "duration": _duration,
    "uri": _uri,
    "email": _email,
    "base64": _base64,
    "base64url": _base64url,
    "zoneinfo": _zone,
    **{f"uuid{version}": _uuid(version) for version in range(1, 9)},
    "ipv4": ipaddress.IPv4Address,
    "ipv6": ipaddress.IPv6Address,
    "ipv4network": ipaddress.IPv4Network,
    "ipv6network": ipaddress.IPv6Network,
    "ipv4interface": ipaddress.IPv4Interface,
    "ipv6interface": ipaddress.IPv6Interface,
    "ipvanyaddress": ipaddress.ip_address,
    "ipvanynetwork": ipaddress.ip_network,
    "ipvanyinterface": ipaddress.ip_interface,
}
"""Each parses a string of its format; for others it raises ValueError or returns nothing."""
EXPECTED = {
    "date": "a date such as 2026-01-31",
    "time": "a time of day such as 12:00:00",
    "date-time": "a time such as 2026-01-31T12:00:00Z",
    "duration": "a duration such as PT1H30M",
    "uri": "a URL such as https://example.com/",
    "email": "an email address",
    "uuid": "a UUID",
    "ipv4": "an IPv4 address",
    "ipv6": "an IPv6 address",
    "zoneinfo": "a time zone such as Europe/Paris",
}
"""What messages call each format."""


def _checker(make: Callable[[str], object]) -> Callable[[str], bool]:
    def is_valid(text: str) -> bool:
        try:
            return bool(make(text))
        except (ValueError, OverflowError, OSError):
            # OSError: a zone whose name no file can have.
            return False

    return is_valid


CHECKERS: dict[str, Any] = {name: _checker(make) for name, make in _MAKERS.items()}
"""By format: whether a string matches it."""
