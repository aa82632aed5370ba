"""Removes secrets from text: what a sign-in types and receives must not appear in logs and traces.

Standard library only, because the Runner uses it too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

MARK = "•••"
_SHORT = 4
"""A shorter secret is replaced only where it stands alone as a word."""
_MIN_COOKIE_LENGTH = 8
"""A shorter cookie value is a flag, not a secret."""
_MIN_ITEM_LENGTH = 16
"""The same for an origin's storage."""


class Redactor:
    """Replaces every occurrence of the given secrets in strings and JSON values."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._known = {secret for secret in secrets if secret}
        self._pattern = self._compiled()

    def learn(self, secret: str) -> None:
        """Replace one more secret from now on."""
        self._known |= {secret} - {""}
        self._pattern = self._compiled()

    def text(self, text: str) -> str:
        """The text with its secrets replaced."""
        return text if self._pattern is None else self._pattern.sub(MARK, text)

    def value(self, value: Any) -> Any:
        """A copy of a JSON value with secrets replaced in its strings."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: self.value(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
        return value

    def _compiled(self) -> re.Pattern[str] | None:
        parts = [_pattern(secret) for secret in sorted(self._known, key=len, reverse=True)]
        return re.compile("|".join(parts)) if parts else None


def secrets_of_parameters(parameters: Any) -> list[str]:
    """Every string and number in an AuthSession's parameters, as strings."""
    if isinstance(parameters, dict):
        return [each for item in parameters.values() for each in secrets_of_parameters(item)]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(parameters, list):
        return [each for item in parameters for each in secrets_of_parameters(item)]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(parameters, bool) or parameters is None:
        return []
    return [str(parameters)]


def secrets_of_state(state: dict[str, Any] | None) -> list[str]:
    """The values of a state's cookies and of its origins' storage, short ones excluded."""
    known: dict[str, list[dict[str, Any]]] = state or {}
    cookies = [str(cookie["value"]) for cookie in known.get("cookies", [])]
    items = [
        str(item["value"])
        for origin in known.get("origins", [])
        for item in origin.get("localStorage", [])
    ]
    items += [
        str(value)
        for origin in known.get("sessionStorage", [])
        for value in origin["items"].values()
    ]
    return [
        *(value for value in cookies if len(value) >= _MIN_COOKIE_LENGTH),
        *(value for value in items if len(value) >= _MIN_ITEM_LENGTH),
    ]


def _pattern(secret: str) -> str:
    # As is, and as escaped inside a JSON string.
    forms = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    pattern = "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
    return rf"(?<!\w)(?:{pattern})(?!\w)" if len(secret) < _SHORT else pattern
