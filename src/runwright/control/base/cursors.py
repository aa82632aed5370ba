"""Cursors of lists ordered from newest to oldest."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime

from runwright.errors import Problem, ValidationError


def write(at: datetime, identifier: str) -> str:
    """The cursor of the page that follows an entry."""
    return base64.urlsafe_b64encode(f"{at.isoformat()} {identifier}".encode()).decode()


def read(cursor: str) -> tuple[datetime, str]:
    """The entry that a page follows: its time and ID.

    Raises:
        ValidationError: the cursor is invalid.
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
    message = "is invalid: use the cursor of the previous page"
    return ValidationError([Problem(path="cursor", message=message)])
