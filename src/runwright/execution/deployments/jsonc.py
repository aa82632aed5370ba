"""JSON with comments and trailing commas, as projects' own files are written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from runwright.domain.text import strict_json
from runwright.errors import AuthorError

# What was matched is not tried in another way, nor again: a line of slashes, or comments that do not end,
# would take for ever.
_COMMENT = r"//[^\n]*+|/\*(?:[^*]|\*(?!/))*+(?:\*/)?+"
_TOKEN = re.compile(rf'"(?:\\.|[^"\\])*+"|{_COMMENT}|,(?=(?>(?:\s|{_COMMENT})*)[\]}}])', re.DOTALL)


def read(file: Path) -> dict[str, Any]:
    """Return the object in a file.

    Raises:
        AuthorError: there is none, or it cannot be read.
    """
    try:
        body = strict_json.read(without_comments(file.read_text(encoding="utf-8-sig")))
    except ValueError as error:
        raise AuthorError(f"Cannot read `{file.name}`: {error}") from error
    if not isinstance(body, dict):
        raise AuthorError(f"`{file.name}` must hold one object.")
    return body  # pyright: ignore[reportUnknownVariableType]


def without_comments(text: str) -> str:
    """Return JSONC as JSON: comments and trailing commas become blanks, positions stay."""

    def blank(found: re.Match[str]) -> str:
        token = found.group()
        return token if token.startswith('"') else re.sub(r"[^\n]", " ", token)

    return _TOKEN.sub(blank, text)
