"""How many Runs may wait, and for how long; and the correlation from a request to its Run's log events."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path

import httpx2
import pytest
from helpers.server import RunwrightServer, eventually, serving

_PROJECT = {
    "pyproject.toml": (
        "[tool.runwright]\nreplication = { max_concurrent_requests = 1 }\n"
        "queue = { max_length = 2, time_to_live = 2 }\n"
    ),
    "api/a.py": "async def automation(page, params):\n    return params\n",
    "api/gated.py": (
        "import asyncio, pathlib\nasync def automation(page, params):\n"
        "    while not pathlib.Path(params['gate']).exists():\n        await asyncio.sleep(0.05)\n"
    ),
}


@pytest.fixture(scope="module", name="own")
def _own(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunwrightServer]:
    directory = tmp_path_factory.mktemp("queue") / "data"
    with serving(directory, RUNWRIGHT_LOG_FORMAT="json") as server:
        deployed = server.deploy("p", _PROJECT)
        assert deployed["status"] == "ready", deployed["error"]
        yield server


def _start(server: RunwrightServer, **headers: str) -> httpx2.Response:
    with server.client() as client:
        body = {"api": "a", "parameters": {}}
        return client.post("/projects/p/run/start", json=body, headers=headers)


def test_a_full_queue_is_a_429_and_who_waits_too_long_is_canceled(
    own: RunwrightServer, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    holding = own.start("p", "gated", {"gate": str(gate)})
    eventually(lambda: own.detail(holding)["status"] == "started")

    keyed = _start(own, **{"idempotency-key": "k"})
    waiting = [keyed.json()["runId"], _start(own).json()["runId"]]
    refused = _start(own)
    repeated = _start(own, **{"idempotency-key": "k"})

    assert (refused.status_code, refused.json()["code"]) == (429, "rate-limited")
    assert refused.headers["retry-after"] == "10"
    assert repeated.json()["runId"] == waiting[0]
    for run_id in waiting:
        found = own.result("p", run_id)
        assert (found["status"], found["reason"]["type"]) == ("canceled", "terminated")
        assert "time to live" in found["message"]
    gate.touch()
    assert own.result("p", holding)["status"] == "completed"
    assert own.run("p", "a", {"n": 1})["result"] == {"n": 1}


def test_a_correlation_id_leads_from_the_request_to_every_event_of_its_run(
    own: RunwrightServer,
) -> None:
    answer = _start(own, **{"x-correlation-id": "order-4711.b"})
    run_id = answer.json()["runId"]
    own.result("p", run_id)

    assert answer.headers["x-correlation-id"] == "order-4711.b"
    assert own.detail(run_id)["correlationId"] == "order-4711.b"

    def events() -> list[str]:
        log = own.data_dir.parent / f"{own.data_dir.name}.log"
        lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
        return [
            each["event_name"] for each in lines if each.get("correlation_id") == "order-4711.b"
        ]

    assert {"run_accepted", "attempt_ended"} <= set(eventually(events))


@pytest.mark.parametrize("given", ["", "a" * 65, "a b", "a\tb", "ä", "{}", "-a"])
def test_an_id_that_could_not_stand_in_a_log_is_not_taken(own: RunwrightServer, given: str) -> None:
    headers = [(b"x-api-key", b"rw_none"), (b"x-correlation-id", given.encode("latin-1"))]

    answer = httpx2.get(
        f"{own.url}/api/v1/workspace/{own.workspace_id}/projects", headers=headers, timeout=60
    )

    assert answer.headers["x-correlation-id"] != given
    assert answer.json()["correlationId"] == answer.headers["x-correlation-id"]
