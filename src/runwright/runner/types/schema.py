"""Typed parameters: JSON Schema from an entry function's annotations, and instances from JSON.

Both come from one source: the author's own pydantic where there is one, else our table of the
standard library's types. Untyped parameters, or those whose type is any object, remain a dict.
"""

from __future__ import annotations

import functools
import inspect
import json
import math
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from runwright.runner.types import hints, models
from runwright.runner.types.hints import Unreadable
from runwright.runner.types.shapes import Shape
from runwright.runner.types.type_table import Table

PATH = "parameters"
_ANY_OBJECT: tuple[dict[str, Any], ...] = (
    {},
    {"type": "object"},
    {"type": "object", "additionalProperties": True},
)


@dataclass(frozen=True, slots=True)
class Typed:
    """The type of an entry function's parameters."""

    shape: Shape | None
    """None: any object, passed as a dict."""
    remarks: tuple[str, ...] = ()
    """The parts that have no JSON Schema."""


def describe(function: Callable[..., Any], *, is_courtesy: bool = False) -> dict[str, Any]:
    """An entry function's description, schemas, and remarks for the person who deploys.

    A courtesy schema documents what the function expects and rejects nothing. Never raises.
    """
    typed = _typed(function, is_strict=False) if is_courtesy else of(function)
    document = inspect.getdoc(function)
    return {
        "description": document.split("\n", 1)[0] if document else None,
        "parameters_schema": None if typed.shape is None else _json(typed.shape.schema),
        "result_schema": _result_schema(function),
        "remarks": [] if is_courtesy else list(typed.remarks),
    }


def convert(function: Callable[..., Any], parameters: dict[str, Any]) -> Any:
    """The parameters as the function's declared type.

    Raises:
        Misfit: they do not fit the type.
    """
    shape = of(function).shape
    return parameters if shape is None else shape.read(parameters, PATH)


def of(function: Callable[..., Any]) -> Typed:
    """The type of a function's parameters, cached."""
    made = _made.get(function)
    if made is None:
        made = _made[function] = _typed(function, is_strict=True)
    return made


_made: weakref.WeakKeyDictionary[Callable[..., Any], Typed] = weakref.WeakKeyDictionary()


def _typed(function: Callable[..., Any], *, is_strict: bool) -> Typed:
    try:
        kind = hints.of_parameters(function)
    except Unreadable as error:
        return Typed(None, (f"the type of `{PATH}` cannot be read here ({error})",))
    except (TypeError, ValueError):
        # The function has no signature.
        kind = None
    return Typed(None) if kind is None else _typed_as(kind, is_strict=is_strict)


def _typed_as(kind: Any, *, is_strict: bool) -> Typed:
    remarks: list[str] = []
    shape = _shape(kind, remarks, is_strict=is_strict)
    if _without_names(shape.schema) in _ANY_OBJECT:
        return Typed(None, tuple(remarks))
    if not _takes_objects(shape.schema):
        said = f"`{PATH}` is always an object, which `{kind!r:.100}` is not: it arrives as a dict"
        return Typed(None, (said,))
    return Typed(shape, tuple(remarks))


def _shape(kind: Any, remarks: list[str], *, is_strict: bool) -> Shape:
    known = functools.partial(models.shape, is_strict=is_strict, remarks=remarks)
    if (found := known(kind, is_whole=True)) is not None:
        return found
    table = Table(known, is_strict=is_strict)
    try:
        made = table.shape(kind, PATH)
    except Exception as error:  # noqa: BLE001 - a type can do anything, and must not fail a deploy
        remarks.append(f"the type of `{PATH}` cannot be described: {type(error).__name__}: {error}")
        return Shape({}, lambda value, _path: value)
    remarks += table.remarks
    return Shape(_whole(made.schema, table.definitions), made.read)


def _whole(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """A schema with its definitions; the outermost one is inlined unless something else refers to it."""
    reference = schema.get("$ref", "")
    name = reference.rpartition("/")[2]
    if schema == {"$ref": reference} and json.dumps(reference) not in json.dumps(definitions):
        schema = definitions[name]
        definitions = {key: value for key, value in definitions.items() if key != name}
    return {**schema, "$defs": definitions} if definitions else schema


def _without_names(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key not in ("title", "description")}


def _takes_objects(schema: dict[str, Any]) -> bool:
    return _is_object(schema, schema.get("$defs", {}), 0)


def _is_object(schema: dict[str, Any], definitions: dict[str, Any], depth: int) -> bool:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    if name in definitions and depth <= len(definitions):
        return _is_object(definitions[name], definitions, depth + 1)
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return any(_is_object(each, definitions, depth) for each in options)
    kind = schema.get("type", "object")
    return "object" in ([kind] if isinstance(kind, str) else kind)


def _json(schema: Any) -> Any:
    """A schema without numbers that JSON cannot represent, such as a default of NaN."""
    if isinstance(schema, list):
        return [_json(each) for each in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    items = cast("dict[str, Any]", schema).items()
    return {
        name: _json(item)
        for name, item in items
        if not (isinstance(item, float) and not math.isfinite(item))
    }


def _result_schema(function: Callable[..., Any]) -> dict[str, Any] | None:
    try:
        kind = hints.of_result(function)
    except (Unreadable, TypeError, ValueError):
        return None
    if kind in (None, type(None), Any):
        return None
    if (found := models.result_schema(kind)) is not None:
        return _json(found) or None
    table = Table(lambda _: None, is_strict=False)
    try:
        made = table.shape(kind, "result")
    except Exception:  # noqa: BLE001 - as above
        return None
    return _whole(made.schema, table.definitions) or None
