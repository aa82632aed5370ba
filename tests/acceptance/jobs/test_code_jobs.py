"""Jobs declared in a project's files: created, changed and removed only by deploying."""

from __future__ import annotations

import json
from typing import Any

import pytest
from helpers.server import RunwrightServer, eventually

API = {"api/a.py": "async def automation(page, params):\n    return params\n"}
JOB: dict[str, Any] = {
    "configuration": {"maxConcurrentRequests": 2, "retry": {"maximumAttempts": 3}},
    "payload": [{"apiName": "a", "parameters": {"n": 1}}],
}


def _file(body: dict[str, Any]) -> str:
    return "// kept with the code\n" + json.dumps(body)


def _jobs(server: RunwrightServer, project: str) -> dict[str, dict[str, Any]]:
    with server.client() as client:
        found = client.get(f"/projects/{project}/jobs").json()
    return {each["id"]: each for each in found}


def test_jobs_come_change_and_go_with_their_files(server: RunwrightServer) -> None:
    folder = "intuned-resources/jobs"
    first = server.deploy(
        "declared",
        {
            **API,
            f"{folder}/one.job.jsonc": _file(JOB),
            f"{folder}/deep/two.job.json": json.dumps(JOB),
        },
    )
    made = _jobs(server, "declared")
    with server.client() as client:
        client.post("/projects/declared/jobs/one/pause")
    changed = {**JOB, "schedule": {"intervals": [{"every": "1h"}]}, "payload": []}
    second = server.deploy("declared", {**API, f"{folder}/one.job.jsonc": _file(changed)})
    after = _jobs(server, "declared")

    assert {job_id: each["source"] for job_id, each in made.items()} == {
        "one": "CODE",
        "two": "CODE",
    }
    assert "Created the job `one`" in first["progress"]
    assert list(after) == ["one"]
    assert (after["one"]["state"], after["one"]["payload"]) == ("PAUSED", [])
    assert "next_run_time" not in after["one"]
    assert "The job `two` is no longer declared and was removed" in second["progress"]


def test_a_job_from_code_refuses_update_and_delete_and_allows_the_rest(
    server: RunwrightServer,
) -> None:
    server.deploy("coded", {**API, "intuned-resources/jobs/j.job.json": json.dumps(JOB)})
    with server.client() as client:
        path = "/projects/coded/jobs/j"
        refused = [client.put(path, json=JOB), client.delete(path)]
        allowed = [client.post(f"{path}/{word}") for word in ("pause", "resume", "trigger")]
        job_run_id = allowed[2].json()["jobRunId"]
        found = eventually(
            lambda: (
                each
                if (each := client.get(f"{path}/runs/{job_run_id}").json()["jobRun"])["end_time"]
                else None
            )
        )

    assert [each.status_code for each in refused] == [409, 409]
    assert [each.status_code for each in allowed] == [200, 200, 200]
    assert found["status"] == "SUCCESS"


def test_a_job_that_a_caller_made_keeps_its_id(server: RunwrightServer) -> None:
    server.deploy("owned", API)
    with server.client() as client:
        client.post("/projects/owned/jobs", json={"id": "j", "payload": [], "configuration": {}})

    deployed = server.deploy("owned", {**API, "intuned-resources/jobs/j.job.json": json.dumps(JOB)})

    assert deployed["status"] == "ready"
    assert _jobs(server, "owned")["j"]["source"] == "API"
    assert any("was not created by code" in line for line in deployed["progress"])


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"x.job.json": '{"payload": []}'},
            "`intuned-resources/jobs/x.job.json`: `configuration` is missing",
        ),
        (
            {"x.job.json": json.dumps({**JOB, "payload": [{"apiName": "b", "parameters": {}}]})},
            "The job `x`: `payload.0.apiName` names no API of this project: 'b'",
        ),
        ({"x.job.json": json.dumps(JOB), "y/x.job.jsonc": json.dumps(JOB)}, "both declare `x`"),
        ({"x y.job.json": json.dumps(JOB)}, "an id must consist of 1 to 128 letters"),
    ],
    ids=["a field is missing", "no such api", "twice", "no id"],
)
def test_a_file_that_cannot_be_a_job_fails_the_deploy(
    server: RunwrightServer, files: dict[str, str], said: str
) -> None:
    placed = {f"intuned-resources/jobs/{name}": text for name, text in files.items()}

    deployed = server.deploy("broken-jobs", {**API, **placed})

    assert deployed["status"] == "failed"
    assert said in deployed["error"]
