"""Takes secrets out of texts: what a sign-in types and is given must not show in logs and traces.

Standard library only, because the Runner uses it too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

MARK = "•••"
_SHORT = 4
"""Shorter than this a secret is only taken out where it stands by itself."""
_MIN_COOKIE_LENGTH = 8
"""A shorter value of a cookie is a flag and no secret."""
_MIN_ITEM_LENGTH = 16
"""The same of what is stored for an origin."""


class Redactor:
    """Replaces every occurrence of some secrets in texts and JSON values."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._known = {secret for secret in secrets if secret}
        self._pattern = self._compiled()

    def learn(self, secret: str) -> None:
        """Replace one more from now on."""
        self._known |= {secret} - {""}
        self._pattern = self._compiled()

    def text(self, text: str) -> str:
        """Return the text without the secrets."""
        return text if self._pattern is None else self._pattern.sub(MARK, text)

    def value(self, value: Any) -> Any:
        """Return a JSON value whose strings are without the secrets."""
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
    """Return every text and number in a session's parameters, as texts."""
    if isinstance(parameters, dict):
        return [each for item in parameters.values() for each in secrets_of_parameters(item)]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(parameters, list):
        return [each for item in parameters for each in secrets_of_parameters(item)]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(parameters, bool) or parameters is None:
        return []
    return [str(parameters)]


def secrets_of_state(state: dict[str, Any] | None) -> list[str]:
    """Return the values of a state's cookies and of what is stored for its origins."""
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
    # As it is, and as it stands inside a JSON text.
    forms = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    pattern = "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
    return rf"(?<!\w)(?:{pattern})(?!\w)" if len(secret) < _SHORT else pattern
