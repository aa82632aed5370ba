"""Jobs: items in order, limited in number, counted accurately; pause, resume, terminate, ends."""

from __future__ import annotations

import json
import re
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from helpers.server import RunwrightServer, eventually, serving
from outside import receivers
from outside.receivers import Receiver
from standardwebhooks import Webhook

_ENDED = ("SUCCESS", "FAILURE", "COMPLETED", "TERMINATED", "CANCELED")
PROJECT = {
    "pyproject.toml": "[tool.runwright]\nisolation = 'module'\n",
    "api/echo.py": "async def automation(page, params):\n    return params\n",
    "api/fails.py": "async def automation(page, params):\n    raise ValueError('no')\n",
    "api/gated.py": (
        "import asyncio, pathlib\n"
        "async def automation(page, params):\n"
        "    gate = pathlib.Path(params['gate'])\n"
        "    pathlib.Path(params['gate'] + f\".began.{params['n']}\").touch()\n"
        "    while not gate.exists():\n        await asyncio.sleep(0.02)\n"
        "    return params['n']\n"
    ),
    "api/tree.py": (
        "from runwright.sdk import extend_payload\n"
        "async def automation(page, params):\n"
        "    for n in range(params['width'] if params['depth'] else 0):\n"
        "        extend_payload({'api': 'tree', 'parameters':"
        " {'depth': params['depth'] - 1, 'width': params['width'], 'name': f\"{params['name']}.{n}\"}})\n"
        "    return params['name']\n"
    ),
    "api/facts.py": (
        "from runwright.sdk import run_info\n"
        "async def automation(page, params):\n"
        "    return [run_info().job_id, run_info().job_run_id]\n"
    ),
}


@pytest.fixture(scope="module", name="own")
def _own(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunwrightServer]:
    """Return a server that may deliver to loopback."""
    with serving(
        tmp_path_factory.mktemp("jobs") / "data",
        RUNWRIGHT_WEBHOOK_ALLOW_PRIVATE="true",
        RUNWRIGHT_WEBHOOK_TIMEOUT="2",
        RUNWRIGHT_WEBHOOK_WINDOW="0",
        RUNWRIGHT_RETRY_DELAY="0.1",
        RUNWRIGHT_SLOTS="3",
    ) as server:
        deployed = server.deploy("p", PROJECT)
        assert deployed["status"] == "ready", deployed["error"]
        yield server


@pytest.fixture(name="http")
def _http(own: RunwrightServer) -> Generator[httpx2.Client]:
    with own.client() as client:
        yield client


@pytest.fixture(name="receiver")
def _receiver() -> Generator[Receiver]:
    with receivers.serving() as receiver:
        yield receiver


def _create(http: httpx2.Client, job_id: str, payload: list[dict[str, Any]], **more: Any) -> None:
    configuration = more.pop("configuration", {})
    body = {"id": job_id, "payload": payload, "configuration": configuration, **more}
    answer = http.post("/projects/p/jobs", json=body)
    assert answer.status_code == 201, answer.text


def _trigger(http: httpx2.Client, job_id: str) -> str:
    answer = http.post(f"/projects/p/jobs/{job_id}/trigger")
    assert answer.status_code == 200, answer.text
    return answer.json()["jobRunId"]


def _job_run(http: httpx2.Client, job_id: str, job_run_id: str) -> dict[str, Any]:
    return http.get(f"/projects/p/jobs/{job_id}/runs/{job_run_id}").json()["jobRun"]


def _until(http: httpx2.Client, job_id: str, job_run_id: str, *states: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found = _job_run(http, job_id, job_run_id)
        return found if found["status"] in (states or _ENDED) else None

    return eventually(look, within=60)


def _items(http: httpx2.Client, job_run_id: str) -> list[dict[str, Any]]:
    """Return the Runs of a JobRun, in the order in which they were accepted."""
    found = http.get("/projects/p/runs", params={"jobRunId": job_run_id, "limit": 200}).json()
    return list(reversed(found["runs"]))


def _results(http: httpx2.Client, job_id: str, job_run_id: str) -> list[dict[str, Any]]:
    link = http.get(f"/projects/p/jobs/{job_id}/runs/{job_run_id}").json()["results"]["signed_url"]
    answer = httpx2.get(link, timeout=60)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def _echoes(count: int) -> list[dict[str, Any]]:
    return [{"apiName": "echo", "parameters": {"n": n}} for n in range(count)]


def _gated(gate: Path, count: int) -> list[dict[str, Any]]:
    return [
        {"apiName": "gated", "parameters": {"n": n, "gate": str(gate)}, "requestTimeout": 60}
        for n in range(count)
    ]


def _began(gate: Path) -> int:
    return len(list(gate.parent.glob(f"{gate.name}.began.*")))


def test_every_item_ends_and_the_results_are_a_file(http: httpx2.Client) -> None:
    _create(http, "all", _echoes(5), configuration={"maxConcurrentRequests": 2})

    job_run_id = _trigger(http, "all")
    found = _until(http, "all", job_run_id)
    results = _results(http, "all", job_run_id)

    assert found["status"] == "SUCCESS"
    assert (found["payloads"], found["successful_runs"], found["failed_runs"]) == (5, 5, 0)
    assert [each["result"]["result"]["n"] for each in results] == [0, 1, 2, 3, 4]
    assert {each["name"] for each in results} == {"echo"}
    assert found["end_time"] > found["start_time"]
    assert [each["runId"] for each in results] == [
        each["runId"] for each in _items(http, job_run_id)
    ]


def test_items_start_in_order_and_no_more_than_allowed_at_once(
    http: httpx2.Client, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    _create(http, "ordered", _gated(gate, 5), configuration={"maxConcurrentRequests": 2})

    job_run_id = _trigger(http, "ordered")
    eventually(lambda: _began(gate) == 2)
    meanwhile = _items(http, job_run_id)
    counts = _job_run(http, "ordered", job_run_id)
    gate.touch()
    found = _until(http, "ordered", job_run_id)
    items = _items(http, job_run_id)

    assert [each["status"] for each in meanwhile] == ["started", "started"] + ["pending"] * 3
    assert (counts["payloads"], counts["successful_runs"], counts["failed_runs"]) == (5, 0, 0)
    assert found["status"] == "SUCCESS"
    began = [each["startedAt"] for each in items]
    # Two that are begun at once may be ready in either order.
    assert all(first <= later for first, later in zip(began, began[2:], strict=False))


@pytest.mark.parametrize(
    ("apis", "status"),
    [(["echo", "fails"], "COMPLETED"), (["fails", "fails"], "FAILURE"), ([], "SUCCESS")],
    ids=["some", "none", "no items"],
)
def test_how_a_job_run_ends_by_its_items(http: httpx2.Client, apis: list[str], status: str) -> None:
    job_id = f"ends-{status.lower()}"
    payload = [{"apiName": api, "parameters": {}} for api in apis]
    _create(http, job_id, payload, configuration={"retry": {"maximumAttempts": 1}})

    found = _until(http, job_id, _trigger(http, job_id))

    assert found["status"] == status
    assert found["failed_runs"] == apis.count("fails")


def test_what_items_extend_joins_the_job_run_to_any_depth(http: httpx2.Client) -> None:
    root = {"apiName": "tree", "parameters": {"depth": 3, "width": 3, "name": "r"}}
    _create(http, "tree", [root], configuration={"maxConcurrentRequests": 3})

    job_run_id = _trigger(http, "tree")
    found = _until(http, "tree", job_run_id)
    names = [each["result"]["result"] for each in _results(http, "tree", job_run_id)]
    first = http.get(f"/projects/p/run/{_items(http, job_run_id)[0]['runId']}/result").json()

    assert (found["payloads"], found["successful_runs"]) == (40, 40)
    assert sorted(names) == sorted({*names})
    assert sum(name.count(".") == 3 for name in names) == 27
    assert [each["parameters"]["name"] for each in first["extendedPayloads"]] == [
        "r.0",
        "r.1",
        "r.2",
    ]
    known = {each["runId"] for each in _items(http, job_run_id)}
    assert {each["runId"] for each in first["extendedPayloads"]} <= known


def test_pause_lets_what_runs_end_and_resume_goes_on(http: httpx2.Client, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    _create(http, "paused", _gated(gate, 4), configuration={"maxConcurrentRequests": 1})
    job_run_id = _trigger(http, "paused")
    eventually(lambda: _began(gate) == 1)

    http.post("/projects/p/jobs/paused/pause")
    pausing = _job_run(http, "paused", job_run_id)
    refused = http.post("/projects/p/jobs/paused/trigger")
    gate.touch()
    paused = _until(http, "paused", job_run_id, "PAUSED")
    listed = next(each for each in http.get("/projects/p/jobs").json() if each["id"] == "paused")
    again = http.post("/projects/p/jobs/paused/resume").json()
    found = _until(http, "paused", job_run_id)

    assert pausing["status"] == "PAUSING"
    assert pausing["reason"]["type"] == "user-request"
    assert (refused.status_code, refused.json()["code"]) == (400, "validation-error")
    assert (paused["successful_runs"], paused["failed_runs"]) == (1, 0)
    assert (listed["state"], listed["reason"]["type"]) == ("PAUSED", "paused")
    assert again == {"message": "Resumed"}
    assert (found["status"], found["successful_runs"]) == ("SUCCESS", 4)
    assert "reason" not in found


def test_a_pause_takes_back_what_no_worker_has_begun(http: httpx2.Client, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    _create(http, "unfed", _gated(gate, 12))
    job_run_id = _trigger(http, "unfed")
    eventually(lambda: _began(gate) == 3)

    http.post("/projects/p/jobs/unfed/pause")
    gate.touch()
    paused = _until(http, "unfed", job_run_id, "PAUSED")
    http.post("/projects/p/jobs/unfed/resume")
    found = _until(http, "unfed", job_run_id)

    assert 3 <= paused["successful_runs"] < 12
    assert (found["status"], found["successful_runs"]) == ("SUCCESS", 12)


def test_terminate_cancels_what_waits_and_what_runs(http: httpx2.Client, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    _create(http, "ended", _gated(gate, 4), configuration={"maxConcurrentRequests": 2})
    job_run_id = _trigger(http, "ended")
    eventually(lambda: _began(gate) == 2)
    path = f"/projects/p/jobs/ended/runs/{job_run_id}/terminate"

    answer = http.post(path)
    eventually(lambda: all(each["status"] == "canceled" for each in _items(http, job_run_id)))
    again = http.post(path)
    found = _job_run(http, "ended", job_run_id)
    results = [
        http.get(f"/projects/p/run/{each['runId']}/result").json()
        for each in _items(http, job_run_id)
    ]

    assert (answer.status_code, again.status_code) == (200, 200)
    assert (found["status"], found["reason"]["type"]) == ("TERMINATED", "terminated")
    assert (found["payloads"], found["successful_runs"], found["failed_runs"]) == (4, 0, 2)
    assert {each["reason"]["type"] for each in results} == {"job-run-terminated"}


def test_max_runs_ends_it(http: httpx2.Client) -> None:
    configuration = {"maxRuns": 2, "maxConcurrentRequests": 2}
    _create(http, "few", _echoes(5), configuration=configuration)

    job_run_id = _trigger(http, "few")
    found = _until(http, "few", job_run_id)
    statuses = [each["status"] for each in _items(http, job_run_id)]

    assert (found["status"], found["successful_runs"], found["payloads"]) == ("SUCCESS", 2, 5)
    assert statuses == ["completed"] * 2 + ["canceled"] * 3


def test_another_active_job_run_is_recorded_as_canceled(
    http: httpx2.Client, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    _create(http, "once", _gated(gate, 1))
    first = _trigger(http, "once")

    second = http.post("/projects/p/jobs/once/trigger")
    canceled = _job_run(http, "once", second.json()["jobRunId"])
    gate.touch()
    found = _until(http, "once", first)
    listed = http.get("/projects/p/jobs/once/runs", params={"sortBy": "status,asc"}).json()

    assert second.status_code == 200
    assert (canceled["status"], canceled["reason"]["type"]) == (
        "CANCELED",
        "another-job-run-active",
    )
    assert found["status"] == "SUCCESS"
    assert [each["status"] for each in listed["jobRuns"]] == ["CANCELED", "SUCCESS"]
    assert listed["totalCount"] == 2


def test_an_item_knows_its_job(http: httpx2.Client) -> None:
    _create(http, "facts", [{"apiName": "facts", "parameters": {}}])

    job_run_id = _trigger(http, "facts")
    _until(http, "facts", job_run_id)

    (line,) = _results(http, "facts", job_run_id)
    assert line["result"]["result"] == ["facts", job_run_id]


def test_outcomes_go_to_the_jobs_sink_and_say_whose_they_are(
    http: httpx2.Client, receiver: Receiver
) -> None:
    sink = {"type": "webhook", "url": receiver.url}
    _create(http, "sunk", _echoes(2), sink=sink)

    job_run_id = _trigger(http, "sunk")
    _until(http, "sunk", job_run_id)
    eventually(lambda: len(receiver.received) == 2)
    bodies = [json.loads(body) for _, body in receiver.received]
    listed = http.get("/projects/p/deliveries", params={"jobRunId": job_run_id}).json()

    assert {each["projectJob"]["id"] for each in bodies} == {"sunk"}
    assert {each["projectJobRun"]["id"] for each in bodies} == {job_run_id}
    assert sorted(each["apiInfo"]["result"]["result"]["n"] for each in bodies) == [0, 1]
    assert [each["status"] for each in listed["deliveries"]] == ["delivered"] * 2


def test_who_wants_to_know_is_told_when_it_starts_pauses_and_ends(
    http: httpx2.Client, receiver: Receiver, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    notify = [{"type": "webhook", "url": receiver.url, "headers": {"x-token": "t"}}]
    _create(
        http,
        "told",
        _gated(gate, 2),
        configuration={"maxConcurrentRequests": 1},
        notifications=notify,
    )
    job_run_id = _trigger(http, "told")
    eventually(lambda: _began(gate) == 1)
    http.post("/projects/p/jobs/told/pause")
    gate.touch()
    _until(http, "told", job_run_id, "PAUSED")
    eventually(lambda: len(receiver.received) == 2)
    http.post("/projects/p/jobs/told/resume")
    _until(http, "told", job_run_id)
    eventually(lambda: len(receiver.received) == 3)
    secret = http.get("/projects/p/webhook-secret").json()["secret"]

    bodies = [Webhook(secret).verify(body, headers) for headers, body in receiver.received]
    assert [each["type"] for each in bodies] == [
        "job-run.started",
        "job-run.paused",
        "job-run.ended",
    ]
    assert [each["data"]["jobRun"]["successful_runs"] for each in bodies] == [0, 1, 2]
    assert bodies[2]["data"]["jobRun"]["status"] == "SUCCESS"
    assert {headers["x-token"] for headers, _ in receiver.received} == {"t"}


def test_failed_deliveries_of_a_job_run_are_sent_again(
    http: httpx2.Client, receiver: Receiver
) -> None:
    receiver.answers = [500, 500, 500]
    _create(http, "again", _echoes(3), sink={"type": "webhook", "url": receiver.url})
    job_run_id = _trigger(http, "again")
    _until(http, "again", job_run_id)

    def count(status: str) -> int:
        params = {"jobRunId": job_run_id, "status": status}
        return len(http.get("/projects/p/deliveries", params=params).json()["deliveries"])

    eventually(lambda: count("exhausted") == 3)
    answer = http.post(f"/projects/p/jobs/again/runs/{job_run_id}/redeliver", json={})
    eventually(lambda: count("delivered") == 3)

    assert answer.json() == {"redelivered": 3}
    ids = [headers["webhook-id"] for headers, _ in receiver.received]
    assert sorted(ids[:3]) == sorted(ids[3:])


def test_a_job_fires_by_its_schedule_and_says_when_next(
    http: httpx2.Client, own: RunwrightServer
) -> None:
    _create(http, "ticking", _echoes(1), schedule={"intervals": [{"every": "1s"}]})

    def look() -> list[dict[str, Any]]:
        found = http.get("/projects/p/jobs/ticking/runs", params={"pageSize": "200"}).json()
        return [each for each in found["jobRuns"] if each["status"] == "SUCCESS"]

    eventually(lambda: len(look()) >= 3)
    shown = http.get("/projects/p/jobs/ticking").json()
    upcoming = http.get("/projects/p/jobs/ticking/upcoming", params={"count": 3}).json()
    http.post("/projects/p/jobs/ticking/pause")
    paused = http.get("/projects/p/jobs/ticking").json()

    metrics = httpx2.get(f"{own.url}/metrics", headers={"x-api-key": own.api_key}, timeout=60).text
    counted = re.search(
        r"^runwright_schedule_lateness_seconds_count ([0-9.]+)", metrics, re.MULTILINE
    )

    assert counted is not None
    assert float(counted[1]) >= 3
    assert {each["type"] for each in look()} == {"SCHEDULED"}
    assert shown["next_run_time"] > shown["last_run_time"]
    assert len(upcoming["upcoming"]) == 3
    assert "next_run_time" not in paused
    assert http.get("/projects/p/jobs/ticking/upcoming").json() == {"upcoming": []}


def test_secrets_of_a_job_are_never_shown_and_survive_being_sent_back(
    http: httpx2.Client, receiver: Receiver
) -> None:
    sink = {"type": "webhook", "url": receiver.url, "headers": {"x-token": "hush-1"}}
    proxy = "http://user:hush-2@127.0.0.1:9"
    _create(http, "secret", _echoes(1), sink=sink, notifications=[sink], proxy=proxy)
    shown = http.get("/projects/p/jobs/secret").json()

    body = {name: shown[name] for name in ("payload", "configuration", "sink", "notifications")}
    answer = http.put("/projects/p/jobs/secret", json=body)
    job_run_id = _trigger(http, "secret")
    _until(http, "secret", job_run_id)
    eventually(lambda: len(receiver.received) == 3)

    assert answer.json() == {"id": "secret", "message": "updated job successfully"}
    assert shown["proxy"] == "http://user:********@127.0.0.1:9"
    told = json.dumps(
        [shown, http.get("/projects/p/jobs").json(), _job_run(http, "secret", job_run_id)]
    )
    assert "hush" not in told
    assert {headers["x-token"] for headers, _ in receiver.received} == {"hush-1"}


def test_a_job_run_keeps_what_it_began_with(http: httpx2.Client, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    _create(http, "kept", _gated(gate, 2), configuration={"maxConcurrentRequests": 1})
    job_run_id = _trigger(http, "kept")
    eventually(lambda: _began(gate) == 1)

    body = {"payload": [], "configuration": {"maxConcurrentRequests": 7}}
    assert http.put("/projects/p/jobs/kept", json=body).status_code == 200
    gate.touch()
    found = _until(http, "kept", job_run_id)

    snapshot = found["job_configuration_snapshot"]["configuration"]
    assert snapshot["maxConcurrentRequests"] == 1
    assert found["successful_runs"] == 2
    assert http.get("/projects/p/jobs/kept").json()["payload"] == []


def test_a_job_that_names_no_sink_uses_its_projects(
    own: RunwrightServer, http: httpx2.Client, receiver: Receiver
) -> None:
    settings = (
        f'[tool.runwright.defaults.sink.deployed]\ntype = "webhook"\nurl = "{receiver.url}"\n'
    )
    own.deploy("sinking", {"pyproject.toml": settings, "api/echo.py": PROJECT["api/echo.py"]})
    body = {"id": "j", "payload": _echoes(1), "configuration": {}}
    http.post("/projects/sinking/jobs", json=body)

    http.post("/projects/sinking/jobs/j/trigger")
    eventually(lambda: receiver.received)

    assert json.loads(receiver.received[0][1])["projectJob"] == {"id": "j"}


def test_a_trigger_can_be_repeated_under_its_key(http: httpx2.Client) -> None:
    _create(http, "keyed", _echoes(1))
    headers = {"idempotency-key": "k-1"}

    first = http.post("/projects/p/jobs/keyed/trigger", headers=headers)
    second = http.post("/projects/p/jobs/keyed/trigger", headers=headers)
    other = http.post("/projects/p/jobs/keyed/trigger", headers=headers, content=b"{}")

    assert first.json()["jobRunId"] == second.json()["jobRunId"]
    assert other.status_code == 409
    _until(http, "keyed", first.json()["jobRunId"])


def test_a_deleted_job_ends_what_is_under_way(http: httpx2.Client, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    _create(http, "gone", _gated(gate, 3), configuration={"maxConcurrentRequests": 1})
    job_run_id = _trigger(http, "gone")
    eventually(lambda: _began(gate) == 1)

    answer = http.delete("/projects/p/jobs/gone")
    eventually(lambda: all(each["status"] == "canceled" for each in _items(http, job_run_id)))
    _create(http, "gone", _echoes(1))

    assert answer.status_code == 204
    assert http.get("/projects/p/jobs/gone/runs").json() == {"jobRuns": [], "totalCount": 0}


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"id": "no/slash"}, "id"),
        ({"payload": [{"apiName": "none", "parameters": {}}]}, "payload.0.apiName"),
        ({"payload": [{"apiName": "echo"}]}, "payload.0.parameters"),
        ({"configuration": {"maxConcurrentRequests": 0}}, "configuration.maxConcurrentRequests"),
        ({"configuration": {"maxConcurrentRequests": 1.5}}, "configuration.maxConcurrentRequests"),
        (
            {"configuration": {"retry": {"maximumAttempts": 0}}},
            "configuration.retry.maximumAttempts",
        ),
        (
            {"schedule": {"calendars": [{"month": "FEBRUARY", "dayOfMonth": 31}]}},
            "schedule.calendars.0",
        ),
        ({"sink": {"type": "ftp"}}, "sink.type"),
        ({"notifications": [{"type": "webhook", "url": "x"}]}, "notifications.0.url"),
        ({"proxy": "x"}, "proxy"),
        ({"auth_session": {"id": "a"}}, "auth_session"),
    ],
    ids=json.dumps,
)
def test_a_job_that_cannot_be_is_refused_by_its_field(
    http: httpx2.Client, change: dict[str, Any], path: str
) -> None:
    body = {"id": "bad", "payload": _echoes(1), "configuration": {}, **change}

    answer = http.post("/projects/p/jobs", json=body)

    assert answer.status_code == 400
    assert [each["path"] for each in answer.json()["details"]] == [path]
    assert http.get("/projects/p/jobs/bad").status_code == 404


def test_a_taken_id_is_a_conflict(http: httpx2.Client) -> None:
    _create(http, "taken", _echoes(1))

    body = {"id": "taken", "payload": [], "configuration": {}}
    answer = http.post("/projects/p/jobs", json=body)

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
