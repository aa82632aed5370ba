"""Submitted forms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import Depends, Request

from runwright.errors import Problem, UnsupportedMediaType, ValidationError
from runwright.web.server import bodies

_FORM = "application/x-www-form-urlencoded"
_MAX_FIELDS = 2_000


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form, each with its values."""

    fields: dict[str, list[str]]

    def text(self, name: str) -> str:
        """The trimmed value; empty if missing."""
        return self.fields.get(name, [""])[0].strip()

    def raw(self, name: str) -> str:
        """The value as sent, with Unix line endings."""
        return self.fields.get(name, [""])[0].replace("\r\n", "\n")

    def all(self, name: str) -> list[str]:
        """All values of the field."""
        return self.fields.get(name, [])

    def has(self, name: str) -> bool:
        """True if a checkbox is checked."""
        return name in self.fields

    def number(self, name: str) -> int | None:
        """The value as an integer; None if empty.

        Raises:
            ValidationError: the value is not an integer.
        """
        value = self.text(name)
        if not value:
            return None
        if not value.isdecimal() or len(value) > 9:  # noqa: PLR2004 - what an integer column takes
            raise ValidationError([Problem(path=name, message="must be an integer")])
        return int(value)


async def _read(request: Request) -> Form:
    if bodies.media_type(request) != _FORM:
        raise UnsupportedMediaType("Send forms as `application/x-www-form-urlencoded`.")
    body = bytearray()
    async for chunk in bodies.stream(request, request.app.state.platform.settings.max_body_bytes):
        body += chunk
    try:
        found = parse_qs(
            body.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MAX_FIELDS,
        )
    except ValueError as error:
        raise ValidationError([Problem(path="", message="is not a valid form")]) from error
    return Form(found)


Sent = Annotated[Form, Depends(_read)]
