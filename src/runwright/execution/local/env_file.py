"""Reads a project's `.env` as python-dotenv does, but rejects lines that python-dotenv skips."""

from __future__ import annotations

from pathlib import Path

from dotenv.parser import Binding, parse_stream

from runwright.errors import ConfigError


def read(file: Path) -> dict[str, str]:
    """The variables in a file; empty when the file is missing.

    Raises:
        ConfigError: a line is not an assignment; names the line.
    """
    if not file.is_file():
        return {}
    found: dict[str, str] = {}
    with file.open(encoding="utf-8") as text:
        for each in parse_stream(text):
            if each.error or (each.key is not None and each.value is None):
                raise ConfigError(
                    f"{file.name}, line {_line(each)}: not an assignment such as `NAME=value`"
                )
            if each.key is not None and each.value is not None:
                found[each.key] = each.value
    return found


def _line(found: Binding) -> int:
    text = found.original.string
    blank = text[: len(text) - len(text.lstrip())]
    return found.original.line + blank.count("\n")
