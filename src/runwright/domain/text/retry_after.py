"""Parses `Retry-After`, the delay that a receiver asks for, in seconds or as a date. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

_MOST_DIGITS = 9
_LONGEST = timedelta(seconds=10**_MOST_DIGITS)


def asked(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """The delay that headers ask for, or None; `headers` has lowercase names.

    A date is relative to the receiver's own clock, if it sends a `Date`.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return _LONGEST if len(text) > _MOST_DIGITS else timedelta(seconds=int(text))
    at = _date(text)
    if at is None:
        return None
    return max(at - (_date(headers.get("date", "")) or now), timedelta(0))


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
