"""The official client through every AuthSession call, and every result an operation can have."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
from helpers.server import RunwrightServer, eventually, eventually_async
from intuned_client import AsyncIntunedClient, IntunedClient
from intuned_client.exceptions import ApiError, NotFoundError, ValidationError
from outside import sign_in_site
from outside.sign_in_site import Site

_OVER = ("done", "failed", "canceled")
PROJECT = "contract-sessions"


@pytest.fixture(scope="module", name="site")
def _site(server: RunwrightServer) -> Generator[Site]:
    with sign_in_site.serving() as site:
        deployed = server.deploy(PROJECT, sign_in_site.project(site))
        assert deployed["status"] == "ready", deployed["error"]
        yield site


@pytest.fixture(name="client", params=["sdk", "api"])
def _client(server: RunwrightServer, request: pytest.FixtureRequest) -> Generator[IntunedClient]:
    base_url = f"{server.url}/{request.param}/v1/workspace"
    with IntunedClient(
        api_key=server.api_key, workspace_id=server.workspace_id, base_url=base_url
    ) as client:
        yield client


def _until(look: Any, states: tuple[str, ...] = _OVER) -> Any:
    def found() -> Any:
        result = look()
        return result if result.status in states else None

    return eventually(found, within=60)


def test_a_session_from_its_making_to_its_end(client: IntunedClient, site: Site) -> None:
    sessions: Any = client.projects.auth_sessions
    site.reset()
    body = {"id": "life", "parameters": site.parameters, "checkAttempts": 1, "saveTrace": False}

    site.opens.clear()
    started = sessions.create.start(project_name=PROJECT, body=body)

    def created() -> Any:
        return sessions.create.result(project_name=PROJECT, operation_id=started.operation_id)

    under_way = _until(created, ("in_progress",))
    status_meanwhile = sessions.get(project_name=PROJECT, auth_session_id="life").status
    site.opens.set()
    done = _until(created)
    listed = sessions.list(project_name=PROJECT)

    updating = sessions.update.start(
        project_name=PROJECT, auth_session_id="life", body={"parameters": site.parameters}
    )
    updated = _until(
        lambda: sessions.update.result(
            project_name=PROJECT, auth_session_id="life", operation_id=updating.operation_id
        )
    )
    validating = sessions.validate.start(
        project_name=PROJECT, auth_session_id="life", body={"autoRecreate": False}
    )
    validated = _until(
        lambda: sessions.validate.result(
            project_name=PROJECT, auth_session_id="life", operation_id=validating.operation_id
        )
    )
    sessions.delete(project_name=PROJECT, auth_session_id="life")

    assert started.status == "started"
    assert under_way.run_id
    assert status_meanwhile == "PENDING"
    assert done.auth_session_id == "life"
    assert [(each.id, each.type, each.status) for each in _items(listed)] == [
        ("life", "CREDENTIALS", "READY")
    ]
    assert (updating.status, updated.status) == ("started", "done")
    assert (validating.status, validated.status) == ("pending", "done")
    with pytest.raises(NotFoundError):
        sessions.get(project_name=PROJECT, auth_session_id="life")


def test_operations_that_fail_and_that_are_canceled(
    client: IntunedClient, server: RunwrightServer, site: Site
) -> None:
    sessions: Any = client.projects.auth_sessions
    site.reset()
    wrong = {"parameters": {**site.parameters, "password": "not-the-one"}, "createAttempts": 1}
    failing = sessions.create.start(project_name=PROJECT, body=wrong)
    failed = _until(
        lambda: sessions.create.result(project_name=PROJECT, operation_id=failing.operation_id)
    )
    site.opens.clear()
    canceling = sessions.create.start(
        project_name=PROJECT, body={"id": "x", "parameters": site.parameters}
    )
    eventually(lambda: site.tries == 2)
    with pytest.raises(ApiError) as refused:
        sessions.validate.start(project_name=PROJECT, auth_session_id="x", body={})
    with server.client() as http:
        http.post(f"/projects/{PROJECT}/run/{canceling.operation_id}/cancel")
    canceled = _until(
        lambda: sessions.create.result(project_name=PROJECT, operation_id=canceling.operation_id)
    )
    site.opens.set()

    assert (refused.value.status_code, refused.value.body["code"]) == (
        409,
        "auth-session-already-in-use",
    )
    assert (failed.error.code, failed.error.category) == ("create-attempts-failed", "auth")
    assert failed.message
    assert canceled.reason.type == "cancelled-user-action"


# The client takes only 201 for a started Run, which the other mount does not answer.
@pytest.mark.parametrize("client", ["sdk"], indirect=True)
def test_runs_with_sessions_of_both_forms(client: IntunedClient, site: Site) -> None:
    runs: Any = client.projects.runs
    site.reset()
    runtime = {"runtimeInput": site.parameters, "checkAttempts": 1}
    body: dict[str, Any] = {"api": "home", "parameters": {}, "authSession": runtime}

    started = runs.start(project_name=PROJECT, body=body)
    found = _until(
        lambda: runs.result(project_name=PROJECT, run_id=started.run_id),
        ("completed", "failed", "canceled"),
    )

    assert found.result == "Welcome"
    without: dict[str, Any] = {"api": "home", "parameters": {}}
    for more in ({}, {"authSession": {"id": "nobody"}}):
        with pytest.raises(ValidationError):
            runs.start(project_name=PROJECT, body={**without, **more})


async def test_the_async_client(server: RunwrightServer, site: Site) -> None:
    site.reset()
    base_url = f"{server.url}/sdk/v1/workspace"
    async with AsyncIntunedClient(
        api_key=server.api_key, workspace_id=server.workspace_id, base_url=base_url
    ) as client:
        sessions: Any = client.projects.auth_sessions
        started = await sessions.create.start(
            project_name=PROJECT, body={"id": "async", "parameters": site.parameters}
        )
        seen: list[Any] = []

        async def look() -> bool:
            seen.append(
                await sessions.create.result(
                    project_name=PROJECT, operation_id=started.operation_id
                )
            )
            return seen[-1].status in _OVER

        await eventually_async(look)
        await sessions.delete(project_name=PROJECT, auth_session_id="async")

    assert seen[-1].status == "done"


def _items(listed: Any) -> Any:
    return getattr(listed, "root", listed)
