"""Output of the command line: tables for people, JSON for programs, progress on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

_KIBI = 1024
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def table(columns: Sequence[str], rows: Sequence[Sequence[str | None]]) -> None:
    """Print a table; the first column is never shortened."""
    # Imported here: it would slow down every command that prints no table.
    from rich.console import Console
    from rich.table import Table

    shown = Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        shown.add_column(column, no_wrap=number == 0, overflow="fold")
    for row in rows:
        shown.add_row(*(value or "" for value in row))
    Console().print(shown)


def as_json(value: Any) -> None:
    """Print a value as JSON."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def say(text: str) -> None:
    """Print a line of progress to stderr, separate from the result."""
    print(text, file=sys.stderr, flush=True)


def moment(text: str | None) -> str:
    """A human-readable form of an ISO time: to the second, in UTC."""
    return "" if text is None else text[:19].replace("T", " ")


def size(size_bytes: int) -> str:
    """A human-readable number of bytes; the empty string for 0."""
    if not size_bytes:
        return ""
    value, unit = float(size_bytes), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < _KIBI:
            break
        value, unit = value / _KIBI, larger
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
