"""Schemathesis throws valid and invalid requests at every route of the OpenAPI document."""

from __future__ import annotations

import secrets
import sys
from typing import Any

import hypothesis
import pytest
import schemathesis
from helpers.server import RunwrightServer
from hypothesis import HealthCheck, settings
from schemathesis import checks
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

_CHECKS: list[Any] = [
    checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
_EXAMPLES = 12
_WITHOUT_END = "/events"
_OTHER_MOUNT = "/sdk/"
"""The same routes again, but for one."""


@pytest.mark.timeout(400)
def test_no_route_answers_what_its_document_does_not_say(
    server: RunwrightServer, request: pytest.FixtureRequest
) -> None:
    seed = int(str(request.config.getoption("--fuzz-seed") or secrets.randbits(32)))
    # Told by pytest when the test fails.
    sys.stdout.write(f"--fuzz-seed={seed}\n")
    server.deploy("fuzzed", {"api/a.py": "async def automation(page, params):\n    return 1\n"})
    schema: Any = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    tried: set[str] = set()

    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path.endswith(_WITHOUT_END) or "web-tasks" in operation.path:
            continue
        if operation.path.startswith(_OTHER_MOUNT) and not operation.path.endswith("/run/start"):
            continue
        tried.add(operation.label)
        _fuzz(server, operation, seed)

    assert len(tried) > 60


def _fuzz(server: RunwrightServer, operation: Any, seed: int) -> None:
    @settings(
        max_examples=_EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    @hypothesis.seed(seed)
    @_given(operation)
    def fuzz(case: Any) -> None:
        if "workspace_id" in case.path_parameters:
            case.path_parameters["workspace_id"] = server.workspace_id
        if "project_name" in case.path_parameters and len(case.path_parameters["project_name"]) % 2:
            case.path_parameters["project_name"] = "fuzzed"
        case.query.pop("wait", None)
        case.call_and_validate(headers={"x-api-key": server.api_key}, checks=_CHECKS)

    fuzz()


def _given(operation: Any) -> Any:
    from hypothesis import given

    return given(case=operation.as_strategy())
