"""Calls to the platform, under the names that the browser package imports."""

from __future__ import annotations

from typing import Any

from runwright.sdk.backend import call


async def call_backend_function(
    name: str, validation_model: Any, *, method: str = "GET", params: Any = None
) -> Any:
    """Make a call and return the response as an instance of the pydantic model."""
    body = params.model_dump(mode="json") if hasattr(params, "model_dump") else params
    return validation_model.model_validate(await call(method, name, body))


def build_backend_functions_path(
    name: str, functions_domain: str, workspace_id: str, project_id: str
) -> str:
    """The URL of a call."""
    return f"{functions_domain}/api/{workspace_id}/functions/{project_id}/{name}"
