"""Shapes of standard library types, for environments without pydantic."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import json
import types
import typing
from collections.abc import Callable
from typing import Any, cast, get_args, get_origin

from runwright.runner.types import constraints, containers, hints, scalars
from runwright.runner.types.containers import MAPPINGS, SEQUENCES, Field
from runwright.runner.types.hints import Unreadable
from runwright.runner.types.shapes import ANYTHING, Read, Shape
from runwright.sdk.encoding import Unencodable, encode

Other = Callable[[Any], Shape | None]
"""Gives the shape of a type from outside the standard library, if it has one."""
_Make = Callable[[Any, tuple[Any, ...], str], Shape | None]
_WRAPPERS = ("Required", "NotRequired", "ReadOnly", "Final")


class Table:
    """Makes shapes. Classes become definitions, which may refer to one another."""

    def __init__(self, other: Other, *, is_strict: bool) -> None:
        self._other = other
        self._is_strict = is_strict
        self._names: dict[Any, str] = {}
        self._reads: dict[str, Read] = {}
        self._makers: dict[Any, _Make] = {
            **dict.fromkeys(SEQUENCES, self._sequence),
            **dict.fromkeys(MAPPINGS, self._mapping),
            typing.Union: self._union,
            types.UnionType: self._union,
            typing.Literal: self._literal,
            typing.Annotated: self._annotated,
        }
        """Makers by generic origin: the part before the brackets."""
        self.definitions: dict[str, dict[str, Any]] = {}
        self.remarks: list[str] = []
        """Types without a JSON Schema, which accept anything."""

    def shape(self, kind: Any, path: str) -> Shape:
        """The shape of a type; `path` is where it occurs, for remarks."""
        if isinstance(kind, Unreadable):
            return self._anything(path, f"cannot be resolved here ({kind})")
        found = self._known(kind, path) or self._foreign(kind)
        if found is None or (found is ANYTHING and kind not in (Any, object)):
            return self._anything(path, f"is of the type `{_name(kind)}`, which has no JSON Schema")
        return found

    def _anything(self, path: str, reason: str) -> Shape:
        remark = f"`{path}` {reason}: it accepts any JSON value, unconverted"
        if remark not in self.remarks:
            self.remarks.append(remark)
        return ANYTHING

    def _foreign(self, kind: Any) -> Shape | None:
        found = self._other(kind)
        if found is None or "$defs" not in found.schema:
            return found
        schema = dict(found.schema)
        self.definitions.update(schema.pop("$defs"))
        return Shape(schema, found.read)

    def _known(self, kind: Any, path: str) -> Shape | None:
        origin, arguments = get_origin(kind) or kind, get_args(kind)
        if not isinstance(origin, typing.Hashable):
            return None
        if getattr(origin, "_name", None) in _WRAPPERS:
            return self.shape(arguments[0], path)
        if (stands_for := _stands_for(kind)) is not None:
            return self.shape(stands_for, path)
        make = self._makers.get(origin, self._definition)
        return scalars.shape(kind) or make(origin, arguments, path)

    def _union(self, _origin: Any, arguments: tuple[Any, ...], path: str) -> Shape:
        return containers.union([self.shape(each, path) for each in arguments])

    def _literal(self, _origin: Any, arguments: tuple[Any, ...], _path: str) -> Shape:
        return scalars.choice([(getattr(each, "value", each), each) for each in arguments])

    def _annotated(self, origin: Any, arguments: tuple[Any, ...], path: str) -> Shape:
        # Only pydantic knows what its own metadata means.
        if any(type(note).__module__.startswith("pydantic") for note in arguments[1:]) and (
            (found := self._foreign(origin[arguments])) is not None
        ):
            return found
        return constraints.applied(self.shape(arguments[0], path), arguments[1:])

    def _sequence(self, origin: Any, arguments: tuple[Any, ...], path: str) -> Shape:
        if origin is tuple and arguments and arguments[1:] != (Ellipsis,):
            inner = [self.shape(each, f"{path}[{at}]") for at, each in enumerate(arguments)]
            return containers.fixed(inner, len(inner), tuple)
        return containers.sequence(
            origin, self.shape(arguments[0] if arguments else Any, f"{path}[]")
        )

    def _mapping(self, origin: Any, arguments: tuple[Any, ...], path: str) -> Shape:
        key, inner = (self.shape(each, f"{path}{{}}") for each in arguments or (str, Any))
        return containers.mapping(origin, constraints.as_key(key), inner)

    def _definition(self, kind: Any, arguments: tuple[Any, ...], path: str) -> Shape | None:
        """A reference to a named type, whose shape is made on first use: it may refer to itself.

        None when it has neither fields nor a type that it is an alias of.
        """
        name = self._names.get((kind, arguments))
        if name is None and not _has_fields(kind):
            return None
        if name is None:
            name = self._names[kind, arguments] = self._new_name(kind)
            self.definitions[name] = {}
            made = self._named(kind, arguments, path)
            self.definitions[name].update({"title": kind.__name__, **made.schema})
            self._reads[name] = made.read
        return Shape({"$ref": f"#/$defs/{name}"}, functools.partial(self._read, name))

    def _read(self, name: str, value: Any, path: str) -> Any:
        return self._reads[name](value, path)

    def _new_name(self, kind: Any) -> str:
        name = wanted = "".join(char if char.isalnum() else "_" for char in kind.__name__)
        number = 1
        while name in self.definitions:
            number += 1
            name = f"{wanted}_{number}"
        return name

    def _named(self, kind: Any, arguments: tuple[Any, ...], path: str) -> Shape:
        if not isinstance(kind, type):
            bindings = dict(zip(kind.__type_params__, arguments, strict=False))
            return self.shape(hints.bound(kind.__value__, bindings), path)
        annotated = hints.of_class(kind, arguments)
        if issubclass(kind, tuple):
            return self._named_tuple(kind, annotated, path)
        if _is_typed_dict(kind):
            return self._typed_dict(kind, annotated, path)
        return self._dataclass(kind, annotated, path)

    def _named_tuple(self, kind: Any, annotated: dict[str, Any], path: str) -> Shape:
        inner = [self.shape(annotated.get(name, Any), f"{path}.{name}") for name in kind._fields]
        fewest = len(inner) - len(kind._field_defaults)
        return containers.fixed(inner, fewest, lambda items: kind(*items))

    def _typed_dict(self, kind: Any, annotated: dict[str, Any], path: str) -> Shape:
        fields = {
            name: Field(
                shape=self.shape(hint, f"{path}.{name}"),
                is_required=_is_required(kind, name, hint),
                more={},
            )
            for name, hint in annotated.items()
        }
        is_open = not self._is_strict or says_what_is_extra(kind)
        made = containers.record(fields, dict, is_open=is_open)
        return dataclasses.replace(made, schema={**made.schema, **_description(kind)})

    def _dataclass(self, kind: Any, annotated: dict[str, Any], path: str) -> Shape:
        defaults = {each.name: each.default for each in dataclasses.fields(kind)}
        fields: dict[str, Field] = {}
        for name, parameter in inspect.signature(kind).parameters.items():
            is_required = parameter.default is inspect.Parameter.empty
            default = defaults.get(name, dataclasses.MISSING)
            fields[name] = Field(
                shape=self.shape(annotated.get(name, Any), f"{path}.{name}"),
                is_required=is_required,
                more={} if default is dataclasses.MISSING else _default(default),
            )
        made = containers.record(fields, lambda given: kind(**given), is_open=not self._is_strict)
        return dataclasses.replace(made, schema={**made.schema, **_description(kind)})


def _stands_for(kind: Any) -> Any:
    """The type that a TypeVar or NewType stands for."""
    if isinstance(kind, typing.TypeVar):
        return hints.bound(kind, {})
    return cast("Any", kind).__supertype__ if isinstance(kind, typing.NewType) else None


def _has_fields(kind: Any) -> bool:
    """True for a class with fields, or an alias from the `type` statement."""
    if not isinstance(kind, type):
        return type(kind).__name__ == "TypeAliasType"
    found = cast("Any", kind)
    is_named_tuple = issubclass(kind, tuple) and hasattr(cast("Any", kind), "_fields")
    return is_named_tuple or _is_typed_dict(found) or dataclasses.is_dataclass(found)


def says_what_is_extra(kind: Any) -> bool:
    """True when a TypedDict allows extra items (PEP 728)."""
    extra = getattr(kind, "__extra_items__", None)
    has_extra = extra is not None and getattr(extra, "__name__", "") not in (
        "NoExtraItems",
        "Never",
    )
    return has_extra or getattr(kind, "__closed__", None) is False


def _is_typed_dict(kind: Any) -> bool:
    # On older Pythons `typing` does not recognize a TypedDict from `typing_extensions`.
    return typing.is_typeddict(kind) or hasattr(kind, "__required_keys__")


def _is_required(kind: Any, name: str, hint: Any) -> bool:
    # Python does not see Required and NotRequired in annotations that are strings.
    while (origin := get_origin(hint)) is not None:
        said = getattr(origin, "_name", None)
        if said in ("Required", "NotRequired"):
            return said == "Required"
        if said != "ReadOnly" and origin is not typing.Annotated:
            break
        hint = get_args(hint)[0]
    return name in kind.__required_keys__


def _default(value: Any) -> dict[str, Any]:
    try:
        return {"default": json.loads(encode(value, "default"))}
    except Unencodable:
        return {}


def _description(kind: Any) -> dict[str, Any]:
    text = inspect.getdoc(kind) if kind.__doc__ else None
    # A dataclass without its own docstring gets its signature as one.
    is_own = text and not text.startswith((f"{kind.__name__}(", "dict("))
    return {"description": text} if is_own else {}


def _name(kind: Any) -> str:
    return getattr(kind, "__qualname__", None) or str(kind)
