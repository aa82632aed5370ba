"""Typed parameters: JSON Schema from an entry function's annotations, and instances from JSON.

TypedDicts and dataclasses are read with the standard library alone; a pydantic model describes
itself. Anything else is untyped: any object goes in as the dict it is.
"""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections.abc import Callable
from datetime import date, datetime
from typing import Any, Literal, Union, cast, get_args, get_origin

from runwright.sdk.deferred import is_deferred

_PLAIN: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
    Any: {},
    dict: {"type": "object"},
    list: {"type": "array"},
}


def describe(function: Callable[..., Any]) -> dict[str, Any]:
    """Return description, parameters schema and result schema of an entry function."""
    parameters, result = _annotations(function)
    document = inspect.getdoc(function)
    return {
        "description": document.split("\n", 1)[0] if document else None,
        "parameters_schema": object_schema(parameters),
        "result_schema": None if result is None else _schema_or_none(result),
    }


def object_schema(kind: Any) -> dict[str, Any] | None:
    """Return the JSON Schema of a TypedDict, dataclass or pydantic model; None of anything else."""
    return _schema(kind) if _is_structured(kind) else None


def convert(function: Callable[..., Any], parameters: dict[str, Any]) -> Any:
    """Return the parameters as the type that the function asks for.

    Raises:
        TypeError, ValueError: they do not fit it.
    """
    kind, _ = _annotations(function)
    if kind is None or not _is_structured(kind):
        return parameters
    return _instance(kind, parameters)


def _annotations(function: Callable[..., Any]) -> tuple[Any, Any]:
    is_without_page = is_deferred(function)
    function = inspect.unwrap(function)
    names = list(inspect.signature(function).parameters)
    # A deferred automation is called without a page.
    position = 0 if is_without_page else 1
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except Exception:  # noqa: BLE001 - a name that exists for type checkers only
        return None, None
    taken = hints.get(names[position]) if len(names) > position else None
    return taken, hints.get("return")


def _is_structured(kind: Any) -> bool:
    return isinstance(kind, type) and (
        typing.is_typeddict(cast("Any", kind))
        or dataclasses.is_dataclass(cast("Any", kind))
        or hasattr(cast("Any", kind), "model_json_schema")
    )


def _schema_or_none(kind: Any) -> dict[str, Any] | None:
    try:
        return _schema(kind)
    except TypeError:
        return None


def _schema(kind: Any) -> dict[str, Any]:
    if kind in _PLAIN:
        return dict(_PLAIN[kind])
    if hasattr(kind, "model_json_schema"):
        return kind.model_json_schema()
    if typing.is_typeddict(kind):
        return _typed_dict(kind)
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind)
    return _generic(kind, get_origin(kind), get_args(kind))


def _generic(kind: Any, origin: Any, arguments: tuple[Any, ...]) -> dict[str, Any]:
    if origin in (typing.Annotated, typing.Required, typing.NotRequired):
        notes = [note for note in arguments[1:] if isinstance(note, str)]
        return {**_schema(arguments[0]), **({"description": notes[0]} if notes else {})}
    if origin in (Union, types.UnionType):
        return {"anyOf": [_schema(each) for each in arguments]}
    if origin is Literal:
        return {"enum": list(arguments)}
    return _container(kind, origin, arguments)


def _container(kind: Any, origin: Any, arguments: tuple[Any, ...]) -> dict[str, Any]:
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(arguments[1])}
    is_open_tuple = origin is tuple and arguments[1:] == (Ellipsis,)
    if origin is list or is_open_tuple:
        return {"type": "array", "items": _schema(arguments[0])}
    raise TypeError(f"{kind!r} has no JSON Schema here")


def _typed_dict(kind: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(kind, include_extras=True)
    return {
        "type": "object",
        "title": kind.__name__,
        "properties": {name: _schema(hint) for name, hint in hints.items()},
        "required": sorted(name for name, hint in hints.items() if _is_required(kind, name, hint)),
    }


def _is_required(kind: Any, name: str, hint: Any) -> bool:
    # Python reads Required and NotRequired off annotations that are not texts alone.
    origin = get_origin(hint)
    if origin in (typing.Required, typing.NotRequired):
        return origin is typing.Required
    return name in kind.__required_keys__


def _dataclass(kind: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(kind, include_extras=True)
    properties: dict[str, Any] = {}
    required: list[str] = []
    for item in dataclasses.fields(kind):
        properties[item.name] = _schema(hints[item.name])
        if item.default is not dataclasses.MISSING:
            if isinstance(item.default, (str, int, float, bool, type(None))):
                properties[item.name]["default"] = item.default
        elif item.default_factory is dataclasses.MISSING:
            required.append(item.name)
    return {
        "type": "object",
        "title": kind.__name__,
        "properties": properties,
        "required": required,
    }


def _instance(kind: Any, value: Any) -> Any:
    if hasattr(kind, "model_validate"):
        return kind.model_validate(value)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _dataclass_instance(kind, value)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is list and isinstance(value, list):
        items = cast("list[Any]", value)
        return [_instance(arguments[0], item) for item in items]
    if origin in (Union, types.UnionType) and isinstance(value, dict):
        structured = [each for each in arguments if _is_structured(each)]
        return _instance(structured[0], value) if structured else value  # pyright: ignore[reportUnknownVariableType]
    return value


def _dataclass_instance(kind: Any, value: dict[str, Any]) -> Any:
    hints = typing.get_type_hints(kind)
    known = {item.name for item in dataclasses.fields(kind)}
    return kind(
        **{name: _instance(hints[name], item) for name, item in value.items() if name in known}
    )
