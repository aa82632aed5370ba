"""Pydantic's own JSON Schemas, closed to names that a class does not have. Imported only where pydantic is."""

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
    """Makes a schema of everything; what has none takes anything, and is remarked on."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default", "skipped-discriminator"}  # noqa: RUF012
    is_strict = False
    is_whole = False
    remarks: list[str] = []  # noqa: RUF012 - all three are set on the class made of this one

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> dict[str, Any]:
        """Return the schema that takes anything."""
        del schema
        said = f"{error_info} has no JSON Schema: it takes anything"
        if said not in self.remarks:
            self.remarks.append(said)
        return {}

    def model_schema(self, schema: Any) -> dict[str, Any]:
        """Return the schema of a model."""
        return self._closed(super().model_schema(schema), schema["cls"], "model_config")

    def dataclass_schema(self, schema: Any) -> dict[str, Any]:
        """Return the schema of a dataclass."""
        if self.is_whole and _binds_its_bases(schema["cls"]):
            raise PydanticInvalidForJsonSchema("a dataclass of a generic one with its types given")
        made = super().dataclass_schema(schema)
        for field in dataclasses.fields(schema["cls"]):
            if not field.init:
                # It is taken, and nothing is made of it.
                made.get("properties", {}).pop(field.name, None)
        return self._closed(made, schema["cls"], "__pydantic_config__")

    def typed_dict_schema(self, schema: Any) -> dict[str, Any]:
        """Return the schema of a TypedDict."""
        made = super().typed_dict_schema(schema)
        if says_what_is_extra(schema.get("cls")):
            return made
        return self._closed(made, schema.get("cls"), "__pydantic_config__")

    def dict_schema(self, schema: Any) -> dict[str, Any]:
        """Return the schema of a dict with what its keys look like."""
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
        """Return the schema of a Decimal with what a string of one looks like."""
        made = super().decimal_schema(schema)
        for each in (made, *made.get("anyOf", ())):
            if each.get("type") == "string":
                each.setdefault("pattern", NUMBER)
        return made

    def url_schema(self, schema: Any) -> dict[str, Any]:
        """Return the schema of a URL with the schemes that it may have."""
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
    """Return whether a dataclass says what the type variables of its bases are, which pydantic does not hear."""
    bases = [get_origin(each) for each in getattr(kind, "__orig_bases__", ())]
    return any(dataclasses.is_dataclass(each) for each in bases)


def _any_case(text: str) -> str:
    return "".join(f"[{c.upper()}{c.lower()}]" if c.isalpha() else f"\\{c}" for c in text)


def _reads_before(kind: Any) -> bool:
    """Return whether a validator of the author's sees the names before the fields do."""
    decorators = getattr(kind, "__pydantic_decorators__", None)
    validators = cast("dict[str, Any]", getattr(decorators, "model_validators", {}))
    return any(each.info.mode in ("before", "wrap") for each in validators.values())


def _names(name: str, field: Any, *, is_by_name: bool) -> list[str | None]:
    """Return what a field may be called; None among it: it may be taken from inside of another."""
    alias = getattr(field, "validation_alias", None)
    if alias is None:
        return [name]
    paths = [getattr(each, "path", [each]) for each in getattr(alias, "choices", [alias])]
    found = [path[0] if len(path) == 1 and isinstance(path[0], str) else None for path in paths]
    return list(dict.fromkeys([*found, name] if is_by_name else found))


def _add_names(made: dict[str, Any], name: str, names: list[str | None]) -> bool:
    """Put all names of a field into a schema, which knows one of them; False: not all are known."""
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
