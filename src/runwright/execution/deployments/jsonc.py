"""JSON with comments and trailing commas, the format of projects' own files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from runwright.domain.text import strict_json
from runwright.errors import AuthorError

# Possessive and atomic, so without backtracking: a line of slashes, or unterminated comments, would take
# forever.
_COMMENT = r"//[^\n]*+|/\*(?:[^*]|\*(?!/))*+(?:\*/)?+"
_TOKEN = re.compile(rf'"(?:\\.|[^"\\])*+"|{_COMMENT}|,(?=(?>(?:\s|{_COMMENT})*)[\]}}])', re.DOTALL)


def read(file: Path) -> dict[str, Any]:
    """Read the object in a file.

    Raises:
        AuthorError: the file is not valid, or holds something else.
    """
    try:
        body = strict_json.read(without_comments(file.read_text(encoding="utf-8-sig")))
    except ValueError as error:
        raise AuthorError(f"Cannot read `{file.name}`: {error}") from error
    if not isinstance(body, dict):
        raise AuthorError(f"`{file.name}` must contain a JSON object.")
    return body  # pyright: ignore[reportUnknownVariableType]


def without_comments(text: str) -> str:
    """Convert JSONC to JSON: comments and trailing commas become blanks, so positions stay the same."""

    def blank(found: re.Match[str]) -> str:
        token = found.group()
        return token if token.startswith('"') else re.sub(r"[^\n]", " ", token)

    return _TOKEN.sub(blank, text)
