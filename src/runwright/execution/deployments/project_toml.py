"""Reads a project's text and TOML files; errors name the file and the line."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from runwright.errors import AuthorError

_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def toml(file: Path) -> dict[str, Any]:
    """Read a TOML file; a missing one is empty.

    Raises:
        AuthorError: it cannot be parsed.
    """
    if not file.is_file():
        return {}
    try:
        return tomllib.loads(text(file, Path(file.name)))
    except tomllib.TOMLDecodeError as error:
        raise AuthorError(f"Cannot read `{file.name}`: {error}") from error


def table(parent: dict[str, Any], name: str, source: str) -> dict[str, Any]:
    """A table of a TOML file; a missing one is empty.

    Raises:
        AuthorError: it is not a table.
    """
    found = parent.get(name, {})
    if not isinstance(found, dict):
        raise AuthorError(f"{source}: `{name}` must be a table.")
    return found  # pyright: ignore[reportUnknownVariableType]


def text(file: Path, name: Path) -> str:
    """Read a text file, which must be UTF-8; `name` is for messages."""
    content = file.read_bytes()
    if content.startswith(_UTF_16):
        raise AuthorError(
            f"`{name}`, line 1: the file is UTF-16, as PowerShell writes it: save it as UTF-8."
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = content[: error.start].count(b"\n") + 1
        raise AuthorError(
            f"`{name}`, line {number}: not valid UTF-8 ({error.reason}): save the file as UTF-8."
        ) from error


def texts(found: object, what: str) -> list[str]:
    """A list of strings, stripped; `what` is for messages."""
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):  # pyright: ignore[reportUnknownVariableType]
        raise AuthorError(f"{what} must be a list of strings.")
    return [str(each).strip() for each in found]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
