"""Pydantic's own JSON Schemas, closed to undeclared names. Imported only where pydantic is installed."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any, cast, get_origin

from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.json_schema import GenerateJsonSchema

from runwright.runner.types.constraints import key_schema
from runwright.runner.types.scalars import NUMBER
from runwright.runner.types.type_table import says_what_is_extra


class Generator(GenerateJsonSchema):
    """Generates a schema for every type; one without a JSON Schema accepts anything and yields a remark."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default", "skipped-discriminator"}  # noqa: RUF012
    is_strict = False
    is_whole = False
    remarks: list[str] = []  # noqa: RUF012 - all three are set on the class made of this one

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> dict[str, Any]:
        """Return a schema that accepts anything."""
        del schema
        said = f"{error_info} has no JSON Schema: it accepts anything"
        if said not in self.remarks:
            self.remarks.append(said)
        return {}

    def model_schema(self, schema: Any) -> dict[str, Any]:
        """The schema of a model, closed if strict."""
        return self._closed(super().model_schema(schema), schema["cls"], "model_config")

    def dataclass_schema(self, schema: Any) -> dict[str, Any]:
        """The schema of a dataclass, closed if strict."""
        if self.is_whole and _binds_its_bases(schema["cls"]):
            raise PydanticInvalidForJsonSchema("a dataclass of a generic one with its types given")
        made = super().dataclass_schema(schema)
        for field in dataclasses.fields(schema["cls"]):
            if not field.init:
                # Pydantic accepts it and ignores it.
                made.get("properties", {}).pop(field.name, None)
        return self._closed(made, schema["cls"], "__pydantic_config__")

    def typed_dict_schema(self, schema: Any) -> dict[str, Any]:
        """The schema of a TypedDict, closed if strict."""
        made = super().typed_dict_schema(schema)
        if says_what_is_extra(schema.get("cls")):
            return made
        return self._closed(made, schema.get("cls"), "__pydantic_config__")

    def dict_schema(self, schema: Any) -> dict[str, Any]:
        """The schema of a dict, with the form of its keys."""
        made = super().dict_schema(schema)
        inner = schema.get("keys_schema", {})
        if inner.get("type") == "enum":
            values = [each.value for each in inner["members"]]
            is_whole = inner.get("sub_type") == "int"
            names = {"enum": [str(each) for each in values if is_whole or isinstance(each, str)]}
            return {**made, "propertyNames": names}
        keys = self.generate_inner(inner) if inner else {}
        if "$ref" in keys or "patternProperties" in made or not (names := key_schema(keys)):
            return made
        return {**made, "propertyNames": names}

    def decimal_schema(self, schema: Any) -> dict[str, Any]:
        """The schema of a Decimal, with a pattern for its string form."""
        made = super().decimal_schema(schema)
        for each in (made, *made.get("anyOf", ())):
            if each.get("type") == "string":
                each.setdefault("pattern", NUMBER)
        return made

    def url_schema(self, schema: Any) -> dict[str, Any]:
        """The schema of a URL, with its allowed schemes as a pattern."""
        made = super().url_schema(schema)
        if schemes := schema.get("allowed_schemes"):
            made["pattern"] = f"^({'|'.join(_any_case(each) for each in schemes)}):"
        return made

    def _closed(self, made: dict[str, Any], kind: Any, config: str) -> dict[str, Any]:
        if not self.is_strict or made.get("type") != "object" or "properties" not in made:
            return made
        settings: dict[str, Any] = getattr(kind, config, None) or {}
        if settings.get("extra") is not None or _reads_before(kind):
            return made
        is_by_name = bool(settings.get("populate_by_name") or settings.get("validate_by_name"))
        is_known = [
            _add_names(made, name, _names(name, field, is_by_name=is_by_name))
            for name, field in getattr(kind, "__pydantic_fields__", {}).items()
        ]
        return {"additionalProperties": False, **made} if all(is_known) else made


def _binds_its_bases(kind: Any) -> bool:
    """True when a dataclass binds the type variables of its bases, which pydantic ignores."""
    bases = [get_origin(each) for each in getattr(kind, "__orig_bases__", ())]
    return any(dataclasses.is_dataclass(each) for each in bases)


def _any_case(text: str) -> str:
    return "".join(f"[{c.upper()}{c.lower()}]" if c.isalpha() else f"\\{c}" for c in text)


def _reads_before(kind: Any) -> bool:
    """True when one of the author's validators sees the names before the fields do."""
    decorators = getattr(kind, "__pydantic_decorators__", None)
    validators = cast("dict[str, Any]", getattr(decorators, "model_validators", {}))
    return any(each.info.mode in ("before", "wrap") for each in validators.values())


def _names(name: str, field: Any, *, is_by_name: bool) -> list[str | None]:
    """The names a field accepts; None among them: it may come from inside another field."""
    alias = getattr(field, "validation_alias", None)
    if alias is None:
        return [name]
    paths = [getattr(each, "path", [each]) for each in getattr(alias, "choices", [alias])]
    found = [path[0] if len(path) == 1 and isinstance(path[0], str) else None for path in paths]
    return list(dict.fromkeys([*found, name] if is_by_name else found))


def _add_names(made: dict[str, Any], name: str, names: list[str | None]) -> bool:
    """Add all names of a field to a schema, which knows one of them; False when not all are known."""
    properties, required = made["properties"], made.get("required", [])
    shown = next((each for each in (*names, name) if each in properties), name)
    if None in names:
        if shown in required:
            required.remove(shown)
        return False
    known = [each for each in names if each is not None]
    if shown not in properties or len(known) == 1:
        return True
    for other in known:
        properties.setdefault(other, copy.deepcopy(properties[shown]))
    if shown in required:
        required.remove(shown)
        made.setdefault("allOf", []).append({"anyOf": [{"required": [each]} for each in known]})
    return True
