"""JSON objects as pydantic models, with error messages in JSON's terms. Pure.

A model describes a body once: it parses the body, and it is the schema in the OpenAPI document.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard, TypeVar, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, ErrorDetails, PydanticCustomError, core_schema

from runwright.errors import Problem

_Read = TypeVar("_Read")

LARGEST_INTEGER = 2**31 - 1
"""What an integer column of the database holds."""
_MARK = "\0"
_LITERAL = re.compile(r"(?:<[\w.]+: )?'([^']*)'>?")
_WORDS = {
    "missing": "is missing",
    "string_type": "must be a string",
    "int_type": "must be an integer",
    "int_from_float": "must be an integer",
    "int_parsing": "must be an integer",
    "int_parsing_size": "must be a smaller integer",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be a boolean: true or false",
    "bool_parsing": "must be a boolean: true or false",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "dict_type": "must be an object",
    "list_type": "must be an array",
    "tuple_type": "must be an array",
    "too_long": "must have at most {max_length} items",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
}


class InvalidFields(ValueError):
    """Fields of a JSON value are invalid; `problems` names them as spelled on the wire."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(_told(each) for each in problems))
        self.problems = list(problems)

    @classmethod
    def at(cls, path: str, message: str) -> InvalidFields:
        """The error for a single field."""
        return cls([Problem(path=path, message=message)])

    def below(self, path: str) -> InvalidFields:
        """The same error for a value nested at `path` in another."""
        return InvalidFields([
            Problem(path=".".join(part for part in (path, each.path) if part), message=each.message)
            for each in self.problems
        ])  # fmt: skip


class Fields(BaseModel):
    """An object with camelCase keys: unknown keys are ignored, and null means absent."""

    model_config = ConfigDict(
        strict=True,
        extra="ignore",
        frozen=True,
        alias_generator=to_camel,
    )

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        body = cast("dict[str, Any]", value)
        if None not in body.values():
            return body
        return {name: item for name, item in body.items() if item is not None}


@dataclass(frozen=True, slots=True)
class Expected:
    """Annotates a value with the only error message it has: what it must be, whatever is wrong."""

    message: str

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """The schema that pydantic validates with."""
        return _expected(handler(source), self.message)


@dataclass(frozen=True, slots=True)
class Whole:
    """Annotates an integer with its bounds; accepts `2.0` too."""

    low: int
    high: int | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        """The schema that pydantic validates with."""
        low, high = self.low, self.high
        bounds = f"of at least {low}" if high is None else f"from {low} to {high}"
        number = core_schema.union_schema(
            [
                core_schema.int_schema(strict=True, ge=low, le=high),
                core_schema.no_info_plain_validator_function(self._from_float),
            ],
            mode="left_to_right",
        )
        return _expected(number, f"must be an integer {bounds}")

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        """The schema in the OpenAPI document."""
        most = {} if self.high is None else {"maximum": self.high}
        return {"type": "integer", "minimum": self.low, **most}

    def _from_float(self, value: Any) -> int:
        is_whole = isinstance(value, float) and value.is_integer()
        if not is_whole or not self.low <= value <= (self.high or value):
            raise ValueError
        return int(value)


class OneOf:
    """Annotates a union of models, discriminated by the value of `type`."""

    def __init__(self, kinds: Mapping[str, type[BaseModel]]) -> None:
        self._kinds = kinds
        known = " or ".join(f"`{kind}`" for kind in kinds)
        self._unknown = {"at": "type", "message": f"must be {known}"}

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """The schema that pydantic validates with."""
        return core_schema.tagged_union_schema(
            {tag(kind): handler.generate_schema(model) for kind, model in self._kinds.items()},
            self._tag,
            custom_error_type="wrong_at",
            custom_error_message="{message}",
            custom_error_context=dict(self._unknown),
        )

    def _tag(self, value: Any) -> str | None:
        if not isinstance(value, dict):
            # Any of the models reports that it must be an object.
            return tag(next(iter(self._kinds)))
        kind = cast("dict[str, Any]", value).get("type")
        return tag(kind) if isinstance(kind, str) and kind in self._kinds else None


def read(adapter: TypeAdapter[_Read], value: Any) -> _Read:
    """Validate a parsed JSON value with an adapter.

    Raises:
        InvalidFields: the value is invalid; names each wrong field.
    """
    try:
        return adapter.validate_python(value)
    except ValidationError as invalid:
        # The original error shows parts of the value, which may be secret.
        raise InvalidFields(problems(invalid)) from None


def problems(invalid: ValidationError) -> list[Problem]:
    """The errors that pydantic found, each with its path and a message in JSON's terms."""
    return [problem(each) for each in invalid.errors(include_url=False, include_input=False)]


def problem(found: ErrorDetails, *, skipped: int = 0) -> Problem:
    """One of pydantic's errors, without the first `skipped` parts of its location."""
    context = found.get("ctx", {})
    parts = [str(part) for part in found["loc"][skipped:]] + [str(context.get("at", ""))]
    path = ".".join(part for part in parts if part and not part.startswith(_MARK))
    return Problem(path=path, message=_message(found["type"], str(found["msg"]), context))


def is_integer(value: Any) -> TypeGuard[int]:
    """True for a JSON integer; a boolean is not one."""
    return isinstance(value, int) and not isinstance(value, bool)


def wrong_at(name: str, message: str) -> PydanticCustomError:
    """The error for one key, for a validator of the object that contains it."""
    return PydanticCustomError("wrong_at", "{message}", {"at": name, "message": message})


def tag(name: str) -> str:
    """The tag of a union's alternative, which is left out of error paths."""
    return _MARK + name


def _expected(schema: CoreSchema, message: str) -> CoreSchema:
    return core_schema.custom_error_schema(
        schema, custom_error_type="not_as_expected", custom_error_message=message
    )


def _told(found: Problem) -> str:
    return f"`{found.path}` {found.message}" if found.path else found.message


def _message(kind: str, message: str, context: Mapping[str, Any]) -> str:
    if kind == "value_error":
        return str(context["error"])
    words = _WORDS.get(kind)
    # pydantic quotes literal values as Python does.
    return message if words is None else _LITERAL.sub(r"`\1`", words.format_map(context))
