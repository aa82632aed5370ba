"""The OpenAPI document of one project: each Api of its current Deployment as its own operation."""

from __future__ import annotations

import json
import re
from typing import Any

from runwright.control import run_plans
from runwright.domain.projects import Api, Project
from runwright.web.bodies import JSON


def make(project: Project, base: str) -> dict[str, Any]:
    """Return the document; `base` is the project's address.

    OpenAPI knows one operation for a path and a method, and every Api is started at the same path,
    so each stands under that path with a fragment of its own, which HTTP does not send.

    Raises:
        NotFound: nothing is deployed yet.
    """
    deployment, manifest = run_plans.deployed(project)
    apis = manifest.apis
    return {
        "openapi": "3.1.0",
        "info": {"title": project.name, "version": str(deployment.number)},
        "servers": [{"url": base}],
        "security": [{"key": []}],
        "components": {
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "x-api-key"}},
            "schemas": {
                f"{_slug(api)}.{name}": _resolved(api, schema)
                for api in apis
                for name, schema in _definitions(api).items()
            },
        },
        "paths": {f"/run/start#{api.name}": {"post": _operation(api)} for api in apis},
    }


def _operation(api: Api) -> dict[str, Any]:
    parameters = _resolved(api, api.parameters_schema or {"type": "object"})
    schema: dict[str, Any] = {
        "type": "object",
        "required": ["api", "parameters"],
        "properties": {
            "api": {"const": api.name},
            "parameters": {key: value for key, value in parameters.items() if key != "$defs"},
        },
    }
    examples = {
        name: {"value": {"api": api.name, "parameters": sample}}
        for name, sample in api.samples.items()
    }
    result = "" if api.result_schema is None else " Its result has the schema in `x-result`."
    return {
        "operationId": api.name,
        "summary": api.description or f"Start the API `{api.name}`",
        "description": f"Answers the id of the Run.{result}",
        "requestBody": {
            "required": True,
            "content": {JSON: {"schema": schema, **({"examples": examples} if examples else {})}},
        },
        "responses": {"200": {"description": "The Run was accepted."}},
        **({"x-result": api.result_schema} if api.result_schema is not None else {}),
    }


def _definitions(api: Api) -> dict[str, dict[str, Any]]:
    return (api.parameters_schema or {}).get("$defs", {})


def _resolved(api: Api, schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema with its definitions looked for where this document has them."""
    text = json.dumps(schema).replace('"#/$defs/', f'"#/components/schemas/{_slug(api)}.')
    return json.loads(text)


def _slug(api: Api) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", api.name)
