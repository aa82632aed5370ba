"""What a type is in JSON, and how a value of that is made into an instance: one thing, so that both agree."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

Read = Callable[[Any, str], Any]
"""Returns the instance for a JSON value at a path, or raises `Misfit`."""


class Misfit(Exception):
    """A JSON value is not what a type takes; it names each wrong value by its path."""

    def __init__(self, problems: Iterable[tuple[str, str]]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"`{path}` {message}" for path, message in self.problems))


@dataclass(frozen=True, slots=True)
class Shape:
    """One type."""

    schema: dict[str, Any]
    """JSON Schema of what it takes."""
    read: Read
    """Takes exactly what the schema does."""


def misfit(path: str, message: str) -> Misfit:
    """Return that one value does not fit."""
    return Misfit([(path, message)])


ANYTHING = Shape({}, lambda value, _path: value)
"""Takes any value, and hands it over as it is."""
