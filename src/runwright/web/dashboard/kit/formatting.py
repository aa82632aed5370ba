"""Formatting of times, durations, sizes, counts and JSON for people."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from markupsafe import Markup, escape

_STEPS = ((86_400, "d"), (3_600, "h"), (60, "min"))
_UNITS = ("KiB", "MiB", "GiB", "TiB")
_KIB = 1024
_SECOND = 1.0
_MINUTE = 60
_SHORT = 10
_LEAST_USD = Decimal("0.0001")
NONE = "\N{EN DASH}"


def time(at: datetime | None) -> Markup:
    """A point in time; a script converts it to the reader's time zone."""
    if at is None:
        return escape(NONE)
    utc = at.astimezone(UTC)
    return Markup('<time datetime="{}" data-time>{}</time>').format(
        utc.isoformat(timespec="milliseconds"), utc.strftime("%Y-%m-%d %H:%M:%S UTC")
    )


def ago(at: datetime | None) -> Markup:
    """Time since `at`; a script keeps it current."""
    if at is None:
        return escape(NONE)
    utc = at.astimezone(UTC)
    return Markup('<time datetime="{}" data-ago title="{}">{}</time>').format(
        utc.isoformat(timespec="milliseconds"),
        utc.strftime("%Y-%m-%d %H:%M:%S UTC"),
        _ago_text((datetime.now(UTC) - utc).total_seconds()),
    )


def duration(value: timedelta | float | None) -> str:
    """A duration, given as a timedelta or in seconds."""
    if value is None:
        return NONE
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if seconds < _SECOND:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < _MINUTE:
        return f"{seconds:.1f} s" if seconds < _SHORT else f"{seconds:.0f} s"
    return _long(int(seconds))


def size(value: int) -> str:
    """A size, given in bytes."""
    if value < _KIB:
        return f"{value} B"
    amount, unit = float(value), ""
    for unit in _UNITS:  # noqa: B007 - the one that fits is used below
        amount /= _KIB
        if amount < _KIB:
            break
    return f"{amount:.1f} {unit}" if amount < _SHORT else f"{amount:.0f} {unit}"


def count(value: int) -> str:
    """A count with thin spaces between thousands."""
    return f"{value:,}".replace(",", "\u202f")


def usd(value: Decimal) -> str:
    """An amount in USD; small amounts get four decimals."""
    amount = Decimal(value)
    if 0 < amount < _LEAST_USD:
        return f"< ${_LEAST_USD}"
    return f"${amount:,.2f}" if amount >= 1 or not amount else f"${amount:.4f}"


def percent(value: float | None) -> str:
    """A share from 0 to 1 as a percentage; only exactly 1 shows as 100 %."""
    if value is None:
        return NONE
    percentage = min(value * 100, 99.9) if value < 1 else 100.0
    return f"{percentage:.0f} %" if percentage in (0.0, 100.0) else f"{percentage:.1f} %"


def json_text(value: Any, indent: int | None = 2) -> str:
    """A value as readable JSON."""
    return json.dumps(value, indent=indent, ensure_ascii=False)


def _ago_text(seconds: float) -> str:
    if seconds < _SHORT:
        return "just now"
    if seconds < _MINUTE:
        return f"{int(seconds)} s ago"
    for length, unit in _STEPS:
        if seconds >= length:
            return f"{int(seconds // length)} {unit} ago"
    return "just now"


def _long(seconds: int) -> str:
    for (length, unit), (shorter, smaller) in zip(_STEPS, (*_STEPS[1:], (1, "s")), strict=True):
        if seconds >= length:
            rest = seconds % length // shorter
            return (
                f"{seconds // length} {unit} {rest} {smaller}"
                if rest
                else f"{seconds // length} {unit}"
            )
    return f"{seconds} s"
