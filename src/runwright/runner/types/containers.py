"""Shapes built from other shapes: lists, tuples, dicts, unions, and objects with named fields."""

from __future__ import annotations

import collections
from collections import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from runwright.runner.types.shapes import Misfit, Shape, misfit

SEQUENCES: dict[Any, Callable[[Any], Any]] = {
    list: list,
    set: set,
    frozenset: frozenset,
    tuple: tuple,
    collections.deque: collections.deque,
    abc.Set: frozenset,
    abc.MutableSet: set,
    abc.Sequence: list,
    abc.MutableSequence: list,
    abc.Collection: list,
    abc.Iterable: list,
}
"""Types that are an array in JSON, and how each is built from a list."""
MAPPINGS: dict[Any, Callable[[Any], Any]] = {
    dict: dict,
    abc.Mapping: dict,
    abc.MutableMapping: dict,
    collections.OrderedDict: collections.OrderedDict,
}
_SETS = (set, frozenset, abc.Set, abc.MutableSet)


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One field of an object."""

    shape: Shape
    is_required: bool
    more: dict[str, Any]
    """Further schema keywords: default, description."""


def sequence(origin: Any, inner: Shape) -> Shape:
    """The shape of an array of any length."""
    make = SEQUENCES[origin]

    def read(value: Any, path: str) -> Any:
        made = [inner.read(each, f"{path}.{at}") for at, each in enumerate(_items(value, path))]
        try:
            found = make(made)
        except TypeError as error:
            raise misfit(path, f"cannot be a {origin.__name__}: {error}") from error
        if len(found) != len(made):
            raise misfit(path, "must not contain duplicates")
        return found

    unique = {"uniqueItems": True} if origin in _SETS else {}
    return Shape({"type": "array", "items": inner.schema, **unique}, read)


def fixed(inner: Sequence[Shape], fewest: int, make: Callable[[list[Any]], Any]) -> Shape:
    """The shape of an array with one type per item; items after the first `fewest` are optional."""

    def read(value: Any, path: str) -> Any:
        items = _items(value, path)
        if not fewest <= len(items) <= len(inner):
            raise misfit(path, f"must have {len(inner)} items")
        each = zip(inner, items, strict=False)
        return make([shape.read(item, f"{path}.{at}") for at, (shape, item) in enumerate(each)])

    prefix = {"prefixItems": [each.schema for each in inner]} if inner else {}
    sizes = {"minItems": fewest, "maxItems": len(inner)}
    return Shape({"type": "array", **prefix, **sizes}, read)


def mapping(origin: Any, key: Shape, inner: Shape) -> Shape:
    """The shape of an object with arbitrary keys."""

    def read(value: Any, path: str) -> Any:
        return MAPPINGS[origin](
            (key.read(name, f"{path}.{name}"), inner.read(item, f"{path}.{name}"))
            for name, item in _object(value, path).items()
        )

    names = {"propertyNames": key.schema} if key.schema else {}
    return Shape({"type": "object", "additionalProperties": inner.schema, **names}, read)


def union(shapes: Sequence[Shape]) -> Shape:
    """The shape of a value of one of several types; the first that fits is used."""

    def read(value: Any, path: str) -> Any:
        misfits: list[Misfit] = []
        for each in shapes:
            try:
                return each.read(value, path)
            except Misfit as error:
                misfits.append(error)
        # The option whose error is deepest is most likely the one that was meant.
        raise max(misfits, key=lambda each: max(where.count(".") for where, _ in each.problems))

    return Shape({"anyOf": [each.schema for each in shapes]}, read)


def record(
    fields: dict[str, Field], make: Callable[[dict[str, Any]], Any], *, is_open: bool
) -> Shape:
    """The shape of an object with named fields; an open one accepts others too."""

    def read(value: Any, path: str) -> Any:
        given = _object(value, path)
        problems = [
            (f"{path}.{name}", "is missing")
            for name, field in fields.items()
            if field.is_required and name not in given
        ]
        made: dict[str, Any] = {}
        for name, item in given.items():
            where = f"{path}.{name}"
            try:
                made[name] = _field(fields, name, item, where, is_open=is_open)
            except Misfit as error:
                problems += error.problems
        if problems:
            raise Misfit(problems)
        try:
            return make(made)
        except (ValueError, TypeError, AssertionError) as error:
            raise misfit(path, f"is invalid: {error}") from error

    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: with_more(each.shape, each.more) for name, each in fields.items()},
        "required": [name for name, each in fields.items() if each.is_required],
    }
    return Shape(schema if is_open else {**schema, "additionalProperties": False}, read)


def with_more(shape: Shape, more: dict[str, Any]) -> dict[str, Any]:
    """A shape's schema with further keywords."""
    return {**shape.schema, **more}


def _field(fields: dict[str, Field], name: str, item: Any, path: str, *, is_open: bool) -> Any:
    field = fields.get(name)
    if field is not None:
        return field.shape.read(item, path)
    if not is_open:
        raise misfit(path, "is unknown")
    return item


def _items(value: Any, path: str) -> list[Any]:
    if not isinstance(value, list):
        raise misfit(path, "must be an array")
    return cast("list[Any]", value)


def _object(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise misfit(path, "must be an object")
    return cast("dict[str, Any]", value)
