"""What `Annotated` adds to a type: a description, and the bounds of `annotated_types`."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable
from typing import Any, cast

from runwright.runner.types.shapes import Shape, misfit

_BOUNDS: dict[str, tuple[str, str, Callable[[Any, Any], bool]]] = {
    "Gt": ("gt", "exclusiveMinimum", lambda value, bound: value > bound),
    "Ge": ("ge", "minimum", lambda value, bound: value >= bound),
    "Lt": ("lt", "exclusiveMaximum", lambda value, bound: value < bound),
    "Le": ("le", "maximum", lambda value, bound: value <= bound),
    "MultipleOf": ("multiple_of", "multipleOf", lambda value, bound: value % bound == 0),
    "MinLen": ("min_length", "min", lambda value, bound: len(value) >= bound),
    "MaxLen": ("max_length", "max", lambda value, bound: len(value) <= bound),
}
"""By class: its attribute, the JSON Schema keyword, and the test that a value passes."""
_KEY_PATTERNS = {
    "integer": r"^-?[0-9]{1,300}$",
    "number": r"^-?[0-9]{1,300}(\.[0-9]{1,300})?$",
}
"""How a number is spelled as an object's key."""
_LENGTHS = {"string": "Length", "array": "Items", "object": "Properties"}


def applied(shape: Shape, notes: Iterable[Any]) -> Shape:
    """A shape with its `Annotated` metadata applied."""
    for note in notes:
        if isinstance(note, str):
            shape = dataclasses.replace(shape, schema={"description": note, **shape.schema})
        elif isinstance(described := getattr(note, "documentation", None), str):
            shape = dataclasses.replace(shape, schema={"description": described, **shape.schema})
        elif type(note).__module__.startswith("annotated_types"):
            shape = _bounded(shape, note)
    return shape


def _bounded(shape: Shape, note: Any) -> Shape:
    name = type(note).__name__
    if name == "Predicate":
        return _restricted(shape, {}, note.func, "is not allowed")
    if name not in _BOUNDS:
        # `Interval` and `Len` are composed of other bounds.
        return applied(shape, note) if hasattr(note, "__iter__") else shape
    attribute, keyword, is_kept = _BOUNDS[name]
    bound = getattr(note, attribute)
    if keyword in ("min", "max"):
        keyword += _LENGTHS.get(str(shape.schema.get("type")), "Length")
    said = f"must satisfy {name}({bound})"
    more = {keyword: bound} if isinstance(bound, (int, float)) else {}
    return _restricted(shape, more, lambda value: is_kept(value, bound), said)


def _restricted(
    shape: Shape, more: dict[str, Any], is_kept: Callable[[Any], bool], said: str
) -> Shape:
    def read(value: Any, path: str) -> Any:
        made = shape.read(value, path)
        if not is_kept(made):
            raise misfit(path, said)
        return made

    return Shape({**shape.schema, **more}, read)


def as_key(shape: Shape) -> Shape:
    """The shape of an object's key, which is always a string in JSON."""
    schema = key_schema(shape.schema)
    kind, options = shape.schema.get("type"), cast("list[Any]", shape.schema.get("enum", []))
    if kind in _KEY_PATTERNS:
        return Shape(schema, lambda text, path: shape.read(_number(kind, text, path), path))
    if any(not isinstance(each, str) for each in options):
        texts = {str(each): each for each in options}
        return Shape(schema, lambda text, path: shape.read(texts.get(text), path))
    return Shape(schema, shape.read)


def key_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema for the string form of a key."""
    kind, options = schema.get("type"), cast("list[Any]", schema.get("enum", []))
    if kind in _KEY_PATTERNS and not options:
        return {"pattern": _KEY_PATTERNS[kind]}
    if any(not isinstance(each, str) for each in options):
        return {"enum": [str(each) for each in options]}
    return {key: value for key, value in schema.items() if key not in ("type", "title")}


def _number(kind: str, text: str, path: str) -> float:
    if not re.fullmatch(_KEY_PATTERNS[kind], text):
        raise misfit(path, "must be a number")
    return int(text) if kind == "integer" else float(text)
