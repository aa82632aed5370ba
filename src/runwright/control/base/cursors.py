"""Cursors of lists that go from the newest to the oldest."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime

from runwright.errors import Problem, ValidationError


def write(at: datetime, identifier: str) -> str:
    """Return the cursor of the page after that thing."""
    return base64.urlsafe_b64encode(f"{at.isoformat()} {identifier}".encode()).decode()


def read(cursor: str) -> tuple[datetime, str]:
    """Return after which thing a page begins.

    Raises:
        ValidationError: the cursor is none that this gave out.
    """
    try:
        at, identifier = base64.b64decode(cursor, altchars=b"-_", validate=True).decode().split(" ")
        moment = datetime.fromisoformat(at)
    except (ValueError, binascii.Error) as error:
        raise _bad() from error
    if moment.tzinfo is None or "\0" in identifier:
        raise _bad()
    return moment, identifier


def _bad() -> ValidationError:
    message = "is not a cursor that this server gave out"
    return ValidationError([Problem(path="cursor", message=message)])
