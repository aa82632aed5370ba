"""Checks parameters against a typed Api, with the same messages for requests, Jobs and `dev`."""

from __future__ import annotations

import difflib
import functools
import json
from collections.abc import Iterable
from typing import Any, cast

import jsonschema_rs

from runwright.control.base import formats
from runwright.domain.projects import Api, Manifest, ProjectSettings
from runwright.errors import Problem

_MAX_PROBLEMS = 20
_MAX_NAMES = 10
_MAX_VALUE_LENGTH = 100
_TYPES = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "array": "an array",
    "object": "an object",
    "null": "null",
}


def enforced(api: Api, settings: ProjectSettings) -> dict[str, Any] | None:
    """The schema that an Api's parameters must match; None when any object will do.

    In a project of the other format the author's code decides, so its schemas are only informative.
    """
    return api.parameters_schema if settings.kind == "native" else None


def enforced_by_name(manifest: Manifest) -> dict[str, dict[str, Any]]:
    """The schemas that parameters must match, by Api."""
    found = {api.name: enforced(api, manifest.settings) for api in manifest.apis}
    return {name: schema for name, schema in found.items() if schema is not None}


def problems(
    parameters: dict[str, Any], schema: dict[str, Any], path: str = "parameters"
) -> list[Problem]:
    """The problems of parameters at a path; empty when they match the schema."""
    try:
        errors = _validator(json.dumps(schema)).iter_errors(parameters)
        return [
            Problem(path=".".join((path, *where)), message=message)
            for where, message in _first(_said(errors, schema), _MAX_PROBLEMS)
        ]
    except jsonschema_rs.ValidationError:
        # Deploying no longer produces such a schema.
        return []
    except ValueError as error:
        return [Problem(path=path, message=f"cannot be checked: {error}")]


def check_schema(schema: dict[str, Any]) -> None:
    """Check that a schema can be used to validate parameters.

    Raises:
        ValueError: it cannot; says why.
    """
    try:
        _make(schema)
    except jsonschema_rs.ValidationError as error:
        raise ValueError(error.message) from error


@functools.lru_cache(maxsize=256)
def _validator(text: str) -> Any:
    return _make(json.loads(text))


def _make(schema: dict[str, Any]) -> Any:
    return jsonschema_rs.validator_for(
        schema,
        validate_formats=True,
        ignore_unknown_formats=True,
        formats=formats.CHECKERS,
        # References in an author's schema are never fetched.
        retriever=_refuse,
    )


def _refuse(uri: str) -> Any:
    raise ValueError(f"refers to {uri}, which is not fetched")


def _said(errors: Iterable[Any], schema: dict[str, Any]) -> Iterable[tuple[list[str], str]]:
    """Yield the path and message of each problem."""
    for error in errors:
        where = [str(part) for part in error.instance_path]
        name = error.kind.name
        if name in ("anyOf", "oneOf") and any(error.kind.as_dict().get("context", [])):
            yield from _said_of_union(error, schema)
        elif name in ("additionalProperties", "unevaluatedProperties"):
            known = _known_names(schema, error.schema_path)
            for each in error.kind.unexpected:
                yield [*where, each], _unknown(each, known)
        elif name == "required":
            yield [*where, error.kind.property], "is missing"
        else:
            yield where, _message(error)


def _said_of_union(error: Any, schema: dict[str, Any]) -> Iterable[tuple[list[str], str]]:
    """Yield the problems of the alternative that was meant: the one that matches deepest."""
    depth = len(error.instance_path)
    branches = [branch for branch in error.kind.context if branch]
    types = [each.kind.types[:] for branch in branches for each in branch if _is_type(each, depth)]
    meant = [branch for branch in branches if not any(_is_type(each, depth) for each in branch)]
    if not meant:
        kinds = list(dict.fromkeys(kind for each in types for kind in each))
        yield [str(part) for part in error.instance_path], _wrong_type(kinds, error.instance)
        return
    yield from _said(min(meant, key=lambda branch: _misfit(branch, depth)), schema)


def _is_type(error: Any, depth: int) -> bool:
    return error.kind.name == "type" and len(error.instance_path) == depth


def _misfit(branch: list[Any], depth: int) -> tuple[bool, int]:
    """The distance of an alternative from the value: a different tag is the greatest."""
    is_tagged = any(
        each.kind.name in ("const", "enum") and len(each.instance_path) == depth + 1
        for each in branch
    )
    return is_tagged, len(branch)


def _known_names(schema: dict[str, Any], path: list[Any]) -> list[str]:
    """The fields of the object whose schema has the keyword at a path."""
    found: Any = schema
    for part in path[:-1]:
        found = found[part]
    return list(cast("dict[str, Any]", found).get("properties", {}))


def _unknown(name: str, known: list[str]) -> str:
    if not known:
        return "is unknown: no fields are allowed here"
    plain = {_plain(each): each for each in known}
    near = (
        [plain[_plain(name)]] if _plain(name) in plain else difflib.get_close_matches(name, known)
    )
    if near:
        return f"is unknown: did you mean `{near[0]}`?"
    more = ", …" if len(known) > _MAX_NAMES else ""
    return f"is unknown: there are {', '.join(f'`{each}`' for each in known[:_MAX_NAMES])}{more}"


def _plain(name: str) -> str:
    """A name in the form that `pageNumber`, `page_number` and `page-number` share."""
    return "".join(char for char in name.lower() if char.isalnum())


def _message(error: Any) -> str:
    kind = error.kind
    match kind.name:
        case "type":
            return _wrong_type(kind.types, error.instance)
        case "format":
            expected = formats.EXPECTED.get(kind.format, f"of the format `{kind.format}`")
            return f"must be {expected}, not {_shown(error.instance)}"
        case "enum":
            options = ", ".join(_shown(each) for each in kind.options[:_MAX_NAMES])
            more = ", …" if len(kind.options) > _MAX_NAMES else ""
            return f"must be one of {options}{more}, not {_shown(error.instance)}"
        case "const":
            return f"must be {_shown(kind.expected_value)}, not {_shown(error.instance)}"
        case _:
            return error.message


def _wrong_type(types: Iterable[str], value: Any) -> str:
    expected = [_TYPES.get(each, each) for each in sorted(types, key=list(_TYPES).index)]
    return f"must be {' or '.join(expected)}, not {_shown(value)}"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_VALUE_LENGTH else f"{text[:_MAX_VALUE_LENGTH]}…"


def _first(found: Iterable[tuple[list[str], str]], count: int) -> Iterable[tuple[list[str], str]]:
    return [each for each, _ in zip(found, range(count), strict=False)]
