"""A type's JSON Schema together with its conversion from JSON, so that the two agree."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

Read = Callable[[Any, str], Any]
"""Converts a JSON value at a path to an instance, or raises `Misfit`."""


class Misfit(Exception):
    """A JSON value does not fit a type; names each wrong value by its path."""

    def __init__(self, problems: Iterable[tuple[str, str]]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"`{path}` {message}" for path, message in self.problems))


@dataclass(frozen=True, slots=True)
class Shape:
    """How one type is represented in JSON."""

    schema: dict[str, Any]
    """JSON Schema of the accepted values."""
    read: Read
    """Accepts exactly what the schema does."""


def misfit(path: str, message: str) -> Misfit:
    """A `Misfit` for a single value."""
    return Misfit([(path, message)])


ANYTHING = Shape({}, lambda value, _path: value)
"""Accepts any value and returns it unchanged."""
