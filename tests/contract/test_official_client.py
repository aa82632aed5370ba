"""The official client of the wire protocol, sync and async, runs every flow of a Run."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

import pytest
from helpers.server import RunwrightServer, eventually, eventually_async
from intuned_client import AsyncIntunedClient, IntunedClient, models
from intuned_client.exceptions import (
    AuthenticationError,
    NotFoundError,
    ServerError,
    ValidationError,
)

_FINAL = ("completed", "failed", "canceled")
PROJECT = {
    "api/echo.py": (
        "from runwright.sdk import extend_payload\n"
        "async def automation(page, params):\n"
        "    extend_payload({'api': 'echo', 'parameters': {'n': 2}})\n"
        "    return {'got': params, 'text': 'é', 'none': None}\n"
    ),
    "api/nested/fails-1.py": "async def automation(page, params):\n    raise ValueError('no')\n",
    "api/waits.py": "import asyncio\nasync def automation(page, params):\n    await asyncio.sleep(300)\n",
}


@pytest.fixture(scope="module", name="project")
def _project(server: RunwrightServer) -> str:
    deployed = server.deploy("contract", PROJECT)
    assert deployed["status"] == "ready", deployed["error"]
    return "contract"


@pytest.fixture(name="client")
def _client(server: RunwrightServer) -> Generator[IntunedClient]:
    base_url = f"{server.url}/sdk/v1/workspace"
    with IntunedClient(
        api_key=server.api_key, workspace_id=server.workspace_id, base_url=base_url
    ) as client:
        yield client


@pytest.fixture(name="async_client")
async def _async_client(server: RunwrightServer) -> AsyncGenerator[AsyncIntunedClient]:
    base_url = f"{server.url}/sdk/v1/workspace"
    async with AsyncIntunedClient(
        api_key=server.api_key, workspace_id=server.workspace_id, base_url=base_url
    ) as client:
        yield client


def _ended(client: IntunedClient, project: str, run_id: str) -> Any:
    def look() -> Any:
        found: Any = client.projects.runs.result(project_name=project, run_id=run_id)
        return found if found.status in _FINAL else None

    return eventually(look, within=60)


def test_a_completed_run_with_extended_payloads(client: IntunedClient, project: str) -> None:
    body = models.RunStartRequestBody.model_validate({"api": "echo", "parameters": {"n": 1}})

    started = client.projects.runs.start(project_name=project, body=body)
    found = _ended(client, project, started.run_id)

    assert found.status == "completed"
    assert found.result == {"got": {"n": 1}, "text": "é", "none": None}
    assert [(each.api, each.parameters) for each in found.extended_payloads] == [("echo", {"n": 2})]


def test_a_failed_run_with_every_attempt(client: IntunedClient, project: str) -> None:
    body = models.RunStartRequestBody.model_validate(
        {"api": "nested/fails-1", "parameters": {}, "retry": {"maximumAttempts": 2}}
    )
    started = client.projects.runs.start(project_name=project, body=body)
    found = _ended(client, project, started.run_id)

    assert found.status == "failed"
    assert found.error.code == "script-execution-exception"
    assert found.error.category == "execution"
    assert found.message == "ValueError: no"


def test_a_canceled_run(client: IntunedClient, server: RunwrightServer, project: str) -> None:
    body = models.RunStartRequestBody.model_validate({"api": "waits", "parameters": {}})
    started = client.projects.runs.start(project_name=project, body=body)
    with server.client() as http:
        http.post(f"/projects/{project}/run/{started.run_id}/cancel")
    found = _ended(client, project, started.run_id)

    assert found.status == "canceled"
    assert found.reason.type == "cancelled-user-action"


async def test_the_async_client(async_client: AsyncIntunedClient, project: str) -> None:
    runs = async_client.projects.runs
    body = models.RunStartRequestBody.model_validate({"api": "echo", "parameters": {"n": 3}})
    started = await runs.start(project_name=project, body=body)
    seen: list[Any] = []

    async def look() -> bool:
        seen.append(await runs.result(project_name=project, run_id=started.run_id))
        return seen[-1].status in _FINAL

    await eventually_async(look, within=60)

    assert started.status == "pending"
    assert seen[-1].result["got"] == {"n": 3}


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda c, p: c.projects.runs.result(project_name=p, run_id="none"), NotFoundError),
        (lambda c, _: c.projects.runs.result(project_name="none", run_id="x"), NotFoundError),
        (
            lambda c, p: c.projects.runs.start(
                project_name=p, body={"api": "none", "parameters": {}}
            ),
            ValidationError,
        ),
        (lambda c, _: c.web_tasks.result(web_task_id="x"), ServerError),
    ],
    ids=["no such run", "no such project", "no such api", "web tasks"],
)
def test_an_error_has_the_type_of_its_status(
    client: IntunedClient, project: str, call: Callable[[Any, str], Any], error: type[Exception]
) -> None:
    with pytest.raises(error) as caught:
        call(client, project)

    body: Any = getattr(caught.value, "body")  # noqa: B009 - it has no type
    assert set(body) >= {"code", "category", "message", "retirable", "correlationId"}


def test_a_wrong_key_is_an_authentication_error(server: RunwrightServer, project: str) -> None:
    base_url = f"{server.url}/sdk/v1/workspace"
    with (
        IntunedClient(
            api_key="rw_x", workspace_id=server.workspace_id, base_url=base_url
        ) as client,
        pytest.raises(AuthenticationError),
    ):
        client.projects.runs.result(project_name=project, run_id="x")
