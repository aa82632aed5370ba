"""Shapes from pydantic, where the author's environment has it: `TypeAdapter` gives both schema and conversion."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import json
from collections.abc import Callable
from typing import Any, cast

from runwright.runner.types.shapes import Misfit, Shape


def shape(
    kind: Any, *, is_strict: bool, remarks: list[str], is_whole: bool = False
) -> Shape | None:
    """The shape of a type; None when pydantic does not support it or is not installed.

    A strict one rejects fields that a class does not declare, unless the class allows them. A type without
    a JSON Schema accepts anything and yields a remark. With `is_whole`, also None for a type with parts that
    our table of standard library types can read and pydantic cannot.
    """
    pydantic = module()
    if pydantic is None or _is_older_model(kind):
        return _older(kind, is_strict=is_strict) if _is_older_model(kind) else None
    said: list[str] = []
    try:
        adapter = pydantic.TypeAdapter(kind)
        generator = _generator(is_strict=is_strict, remarks=said, is_whole=is_whole)
        schema = adapter.json_schema(mode="validation", schema_generator=generator)
    except Exception:  # noqa: BLE001 - pydantic's errors are many, and authors' hooks run in it
        return None
    remarks += said
    return Shape(schema, _reader(pydantic, adapter))


def result_schema(kind: Any) -> dict[str, Any] | None:
    """The JSON Schema of a result of the type; None when pydantic does not support it or is not installed."""
    pydantic = module()
    if pydantic is None:
        return None
    try:
        generator = _generator(is_strict=False, remarks=[])
        adapter = pydantic.TypeAdapter(kind)
        return adapter.json_schema(mode="serialization", schema_generator=generator)
    except Exception:  # noqa: BLE001 - as above
        return None


@functools.cache
def module() -> Any:
    """The author's pydantic; None if it is missing, broken, or predates `TypeAdapter`."""
    if importlib.util.find_spec("pydantic") is None:
        return None
    try:
        found = importlib.import_module("pydantic")
    except Exception:  # noqa: BLE001 - a broken one counts as missing
        return None
    return found if hasattr(found, "TypeAdapter") else None


def _reader(pydantic: Any, adapter: Any) -> Callable[[Any, str], Any]:
    def read(value: Any, path: str) -> Any:
        try:
            # As JSON, where a date is a string and a tuple an array even for strict models.
            return adapter.validate_json(json.dumps(value))
        except pydantic.ValidationError as error:
            raise _misfit(error, path) from error

    return read


def _misfit(error: Any, path: str) -> Misfit:
    return Misfit(
        (".".join((path, *(str(part) for part in each["loc"]))), _message(str(each["msg"])))
        for each in error.errors()
    )


def _message(text: str) -> str:
    text = text.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return text[:1].lower() + text[1:]


def _generator(*, is_strict: bool, remarks: list[str], is_whole: bool = False) -> Any:
    # It imports pydantic, which may not be installed.
    schemas = importlib.import_module("runwright.runner.types.model_schemas")
    settings = {"is_strict": is_strict, "remarks": remarks, "is_whole": is_whole}
    return type("Generator", (schemas.Generator,), settings)


def _is_older_model(kind: Any) -> bool:
    return isinstance(kind, type) and hasattr(kind, "parse_obj") and not hasattr(kind, "model_json_schema")  # fmt: skip


def _older(kind: Any, *, is_strict: bool) -> Shape | None:
    """The shape of a model of pydantic 1, or of `pydantic.v1`."""
    try:
        schema = _modern(json.loads(json.dumps(kind.schema(ref_template="#/$defs/{model}"))))
    except Exception:  # noqa: BLE001 - as above
        return None
    schema["$defs"] = schema.pop("definitions", {})
    says_so = any("extra" in vars(each) for each in kind.__config__.__mro__[:-2])
    for each in (schema, *schema["$defs"].values()):
        if is_strict and not says_so and "properties" in each:
            each.setdefault("additionalProperties", False)

    def read(value: Any, path: str) -> Any:
        try:
            return kind.parse_obj(value)
        except ValueError as error:
            raise (_misfit(error, path) if hasattr(error, "errors") else error) from error

    return Shape(schema, read)


def _modern(schema: Any) -> Any:
    """A schema with tuples spelled as in later drafts."""
    if isinstance(schema, list):
        return [_modern(each) for each in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    given = cast("dict[str, Any]", schema)
    is_tuple = isinstance(given.get("items"), list)
    return {
        "prefixItems" if is_tuple and name == "items" else name: _modern(item)
        for name, item in given.items()
    }
