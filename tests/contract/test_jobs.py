"""The official client through every Job and JobRun call, on both mounts."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import httpx2
import pytest
from helpers.server import RunwrightServer, eventually, eventually_async
from intuned_client import AsyncIntunedClient, IntunedClient
from intuned_client.exceptions import ApiError, NotFoundError, ValidationError

PROJECT = "contract-jobs"
_ENDED = ("SUCCESS", "FAILURE", "COMPLETED", "TERMINATED", "CANCELED")
FILES = {
    "api/echo.py": "async def automation(page, params):\n    return params\n",
    "api/waits.py": "import asyncio\nasync def automation(page, params):\n    await asyncio.sleep(300)\n",
}
WHOLE: dict[str, Any] = {
    "payload": [
        {"apiName": "echo", "parameters": {"n": 1}, "retry": {"maximumAttempts": 2}},
        {"apiName": "echo", "parameters": {"n": 2}, "requestTimeout": 30},
    ],
    "configuration": {
        "retry": {"maximumAttempts": 2},
        "maxConcurrentRequests": 2,
        "requestTimeout": 60,
        "maxRuns": 10,
    },
    "schedule": {
        "jitter": "1s",
        "intervals": [{"every": "12h"}, {"every": 86_400_000}],
        "calendars": [
            {
                "second": 5,
                "minute": {"start": 0, "end": 30, "step": 10},
                "hour": [1, {"start": 3, "end": 5}],
                "dayOfWeek": ["MONDAY", {"start": "WEDNESDAY", "end": "THURSDAY"}],
                "month": "JANUARY",
                "comment": "mornings",
            }
        ],
    },
    "sink": {
        "type": "s3",
        "bucket": "b",
        "accessKeyId": "a",
        "secretAccessKey": "hush",
        "region": "r",
        "apisToSend": ["none"],
    },
    "proxy": "http://user:hush@127.0.0.1:9",
    "notifications": [
        {"type": "webhook", "url": "https://example.com/x", "headers": {"a": "hush"}}
    ],
}


@pytest.fixture(scope="module", name="project", autouse=True)
def _project(server: RunwrightServer) -> str:
    deployed = server.deploy(PROJECT, FILES)
    assert deployed["status"] == "ready", deployed["error"]
    return PROJECT


@pytest.fixture(name="mount", params=["sdk", "api"])
def _mount(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(name="jobs")
def _jobs(server: RunwrightServer, mount: str) -> Generator[Any]:
    base_url = f"{server.url}/{mount}/v1/workspace"
    with IntunedClient(
        api_key=server.api_key, workspace_id=server.workspace_id, base_url=base_url
    ) as client:
        yield client.projects.jobs


def _listed(jobs: Any, job_id: str) -> Any:
    return next(each for each in jobs.list(project_name=PROJECT) if each.id == job_id)


def _ended(jobs: Any, job_id: str, job_run_id: str) -> Any:
    def look() -> Any:
        found = jobs.runs.get(project_name=PROJECT, job_id=job_id, job_run_id=job_run_id)
        return found if found.job_run.status in _ENDED else None

    return eventually(look, within=60)


def test_a_job_is_shown_as_it_was_made_less_its_secrets(jobs: Any, mount: str) -> None:
    job_id = f"shown-{mount}"

    created = jobs.create(project_name=PROJECT, body={"id": job_id, **WHOLE})
    shown = jobs.get(project_name=PROJECT, job_id=job_id)
    listed = _listed(jobs, job_id)

    assert (created.id, created.message) == (job_id, "created")
    assert shown.state == "ACTIVE"
    assert shown.configuration.max_concurrent_requests == 2
    assert shown.configuration.max_runs == 10
    assert [each.parameters for each in shown.payload] == [{"n": 1}, {"n": 2}]
    assert shown.schedule.calendars[0].comment == "mornings"
    assert shown.schedule.calendars[0].hour[1].end == 5
    assert shown.sink.secret_access_key == "********"
    assert shown.proxy == "http://user:********@127.0.0.1:9"
    assert shown.next_run_time
    assert shown.last_run_time is None
    assert listed.source == "API"
    assert listed.proxy.url == "http://user:********@127.0.0.1:9"
    assert listed.notifications[0].headers == {"a": "********"}


def test_a_job_is_paused_resumed_changed_and_deleted(jobs: Any, mount: str) -> None:
    job_id = f"life-{mount}"
    jobs.create(project_name=PROJECT, body={"id": job_id, **WHOLE})

    paused = jobs.pause(project_name=PROJECT, job_id=job_id)
    reason = _listed(jobs, job_id).reason
    resumed = jobs.resume(project_name=PROJECT, job_id=job_id)
    changed = {**WHOLE, "payload": WHOLE["payload"][:1], "proxy": None}
    updated = jobs.update(project_name=PROJECT, job_id=job_id, body=changed)
    after = jobs.get(project_name=PROJECT, job_id=job_id)
    jobs.delete(project_name=PROJECT, job_id=job_id)

    assert (paused.message, reason.type, resumed.message) == ("Paused", "paused", "Resumed")
    assert updated.message == "updated job successfully"
    assert len(after.payload) == 1
    assert after.proxy is None
    with pytest.raises(NotFoundError):
        jobs.get(project_name=PROJECT, job_id=job_id)


def test_a_job_run_with_its_results(jobs: Any, mount: str) -> None:
    job_id = f"run-{mount}"
    body = {"id": job_id, "payload": WHOLE["payload"], "configuration": {}}
    jobs.create(project_name=PROJECT, body=body)

    triggered = jobs.trigger(project_name=PROJECT, job_id=job_id)
    found = _ended(jobs, job_id, triggered.job_run_id)
    lines = httpx2.get(found.results.signed_url, timeout=60).text.splitlines()

    assert triggered.message == "Triggered"
    assert (found.job_run.status, found.job_run.type) == ("SUCCESS", "MANUAL")
    assert (found.job_run.payloads, found.job_run.successful_runs) == (2, 2)
    assert found.job_run.job_configuration_snapshot.configuration.request_timeout == 600
    assert found.results.format == "jsonl"
    assert found.results.signed_url_expiration
    assert len(lines) == 2


def test_job_runs_are_paged_and_sorted(jobs: Any, mount: str) -> None:
    job_id = f"paged-{mount}"
    body = {"id": job_id, "payload": WHOLE["payload"][:1], "configuration": {}}
    jobs.create(project_name=PROJECT, body=body)
    ids: list[str] = []
    for _ in range(3):
        ids.append(jobs.trigger(project_name=PROJECT, job_id=job_id).job_run_id)
        _ended(jobs, job_id, ids[-1])

    def page(**query: str) -> Any:
        return jobs.runs.list(project_name=PROJECT, job_id=job_id, **query)

    newest = page()
    first = page(page_size="2", page_number="0", sort_by="status,asc/start_time,asc")
    second = page(page_size="2", page_number="1", sort_by="status,asc/start_time,asc")

    assert [each.id for each in newest.job_runs] == ids[::-1]
    assert newest.total_count == first.total_count == 3
    assert [each.id for each in first.job_runs] == ids[:2]
    assert [each.id for each in second.job_runs] == ids[2:]
    for wrong in ({"page_size": "x"}, {"page_number": "-1"}, {"sort_by": "payload,asc"}):
        with pytest.raises(ValidationError):
            page(**wrong)


def test_a_terminated_job_run(jobs: Any, mount: str) -> None:
    job_id = f"terminated-{mount}"
    payload = [{"apiName": "waits", "parameters": {}}]
    jobs.create(project_name=PROJECT, body={"id": job_id, "payload": payload, "configuration": {}})
    job_run_id = jobs.trigger(project_name=PROJECT, job_id=job_id).job_run_id

    answer = jobs.runs.terminate(project_name=PROJECT, job_id=job_id, job_run_id=job_run_id)
    found = _ended(jobs, job_id, job_run_id).job_run

    assert answer.message
    assert (found.status, found.reason.type) == ("TERMINATED", "terminated")


async def test_the_async_client(server: RunwrightServer, mount: str) -> None:
    base_url = f"{server.url}/{mount}/v1/workspace"
    job_id = f"async-{mount}"
    async with AsyncIntunedClient(
        api_key=server.api_key, workspace_id=server.workspace_id, base_url=base_url
    ) as client:
        jobs: Any = client.projects.jobs
        body = {"id": job_id, "payload": WHOLE["payload"], "configuration": {}}
        await jobs.create(project_name=PROJECT, body=body)
        triggered = await jobs.trigger(project_name=PROJECT, job_id=job_id)
        seen: list[Any] = []

        async def look() -> bool:
            found = await jobs.runs.get(
                project_name=PROJECT, job_id=job_id, job_run_id=triggered.job_run_id
            )
            seen.append(found.job_run)
            return found.job_run.status in _ENDED

        await eventually_async(look, within=60)

    assert seen[-1].status == "SUCCESS"


def test_what_is_not_there_and_what_cannot_be(jobs: Any) -> None:
    body = {"id": "never", "payload": [{"apiName": "no", "parameters": {}}], "configuration": {}}

    with pytest.raises(ValidationError):
        jobs.create(project_name=PROJECT, body=body)
    with pytest.raises(NotFoundError):
        jobs.trigger(project_name=PROJECT, job_id="never")
    with pytest.raises(NotFoundError):
        jobs.runs.list(project_name=PROJECT, job_id="never")
    with pytest.raises(NotFoundError):
        jobs.pause(project_name="none", job_id="never")


def test_a_taken_id_is_a_409(jobs: Any, mount: str) -> None:
    body = {"id": f"taken-{mount}", "payload": WHOLE["payload"], "configuration": {}}
    jobs.create(project_name=PROJECT, body=body)

    with pytest.raises(ApiError) as caught:
        jobs.create(project_name=PROJECT, body=body)

    assert caught.value.status_code == 409
