"""The OpenAPI document of one project: each Api of its current Deployment as its own operation."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from typing import Any, cast

from runwright.control.base import run_plans
from runwright.domain.projects import Api, Project
from runwright.web.server.bodies import JSON


def make(project: Project, base: str) -> dict[str, Any]:
    """The document; `base` is the project's address.

    OpenAPI allows one operation per path and method, and every Api starts at the same path, so each
    gets that path with its own fragment, which HTTP clients do not send.

    Raises:
        NotFound: nothing is deployed yet.
    """
    deployment, manifest = run_plans.deployed(project)
    apis = list(zip(manifest.apis, _slugs(manifest.apis), strict=True))
    schemas: dict[str, Any] = {}
    paths = {
        f"/run/start#{api.name}": {"post": _operation(api, slug, schemas)} for api, slug in apis
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": project.name, "version": str(deployment.number)},
        "servers": [{"url": base}],
        "security": [{"key": []}],
        "components": {
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "x-api-key"}},
            "schemas": schemas,
        },
        "paths": paths,
    }


def _operation(api: Api, slug: str, schemas: dict[str, Any]) -> dict[str, Any]:
    """An Api's operation; adds the definitions it refers to to the document's schemas."""
    parameters = _placed(api.parameters_schema or {"type": "object"}, slug, schemas)
    schema: dict[str, Any] = {
        "type": "object",
        "required": ["api", "parameters"],
        "properties": {"api": {"const": api.name}, "parameters": parameters},
    }
    examples = {
        name: {"value": {"api": api.name, "parameters": sample}}
        for name, sample in api.samples.items()
    }
    result = None
    if api.result_schema is not None:
        result = _placed(api.result_schema, f"{slug}.result", schemas)
    said = "" if result is None else " Its result has the schema in `x-result`."
    return {
        "operationId": api.name,
        "summary": api.description or f"Start the API `{api.name}`",
        "description": f"Responds with the id of the Run.{said}",
        "requestBody": {
            "required": True,
            "content": {JSON: {"schema": schema, **({"examples": examples} if examples else {})}},
        },
        "responses": {"200": {"description": "The Run was accepted."}},
        **({} if result is None else {"x-result": result}),
    }


def _placed(schema: dict[str, Any], prefix: str, schemas: dict[str, Any]) -> dict[str, Any]:
    """A schema whose definitions are moved into the document's, under unique names."""
    definitions: dict[str, Any] = schema.get("$defs", {})
    names = zip(definitions, _distinct(_plain(name) for name in definitions), strict=True)
    places = {f"#/$defs/{name}": f"{prefix}.{plain}" for name, plain in names}
    for reference, place in places.items():
        schemas[place] = _referring(definitions[reference.removeprefix("#/$defs/")], places)
    return _referring({key: value for key, value in schema.items() if key != "$defs"}, places)


def _referring(schema: Any, places: dict[str, str]) -> Any:
    """A schema whose references point to the document's definitions instead of its own."""
    if isinstance(schema, list):
        return [_referring(each, places) for each in cast("list[Any]", schema)]
    if isinstance(schema, dict):
        items = cast("dict[str, Any]", schema).items()
        return {name: _referring(item, places) for name, item in items}
    place = places.get(schema) if isinstance(schema, str) else None
    return schema if place is None else f"#/components/schemas/{place}"


def _slugs(apis: Sequence[Api]) -> list[str]:
    return _distinct(_plain(api.name) for api in apis)


def _distinct(names: Iterable[str]) -> list[str]:
    """The names, with a number appended to each duplicate."""
    found: list[str] = []
    for name in names:
        numbered = (name if number == 1 else f"{name}-{number}" for number in itertools.count(1))
        found.append(next(each for each in numbered if each not in found))
    return found


def _plain(name: str) -> str:
    """A name reduced to the characters allowed in component names."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)
