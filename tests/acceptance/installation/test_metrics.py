"""`/metrics`: who may read it, and that its figures are right."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx2
from helpers.server import RunwrightServer, eventually
from prometheus_client.parser import text_string_to_metric_families

_DOCUMENT = Path(__file__).resolve().parents[3] / "docs/reference/metrics.md"
_API = (
    "async def automation(page, params):\n"
    "    if params.get('fail'):\n"
    "        raise ValueError('\\x00 \\ud800')\n"
    "    return 1\n"
)


def _scrape(server: RunwrightServer, **headers: str) -> str:
    answer = httpx2.get(
        f"{server.url}/metrics", headers=headers or {"x-api-key": server.api_key}, timeout=60
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return answer.text


def _value(text: str, name: str, **labels: str) -> float:
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def _status(server: RunwrightServer, **headers: str) -> int:
    return httpx2.get(f"{server.url}/metrics", headers=headers, timeout=60).status_code


def test_every_metric_is_documented_and_every_documented_one_is_there(
    server: RunwrightServer,
) -> None:
    server.deploy("metered", {"api/a.py": _API})
    server.run("metered", "a", {})

    names = {family.name for family in text_string_to_metric_families(_scrape(server))}

    documented = set(re.findall(r"`(runwright_[a-z_]+)`", _DOCUMENT.read_text()))
    shown = {name for name in names if name.startswith("runwright_")}
    assert {name.removesuffix("_total") for name in documented} == {
        name.removesuffix("_created") for name in shown
    }


def test_it_wants_a_key_that_may_read_or_its_token(server: RunwrightServer) -> None:
    with server.client() as client:
        made = client.post("/keys", json={"name": "d", "scopes": ["deploy"]}).json()["key"]

    assert _status(server) == 401
    assert _status(server, **{"x-api-key": "rw_wrong"}) == 401
    assert _status(server, authorization="Bearer nonsense") == 401
    assert _status(server, **{"x-api-key": made}) == 403
    assert _status(server, authorization=f"Bearer {server.api_key}") == 200
    assert _status(server, authorization="Bearer metrics of tests") == 200
    token = {"x-api-key": "metrics of tests"}
    base = f"{server.url}/api/v1/workspace/{server.workspace_id}"
    assert httpx2.get(f"{base}/projects", headers=token, timeout=60).status_code == 401


def test_counters_grow_by_what_happened(server: RunwrightServer) -> None:
    server.deploy("metered", {"api/a.py": _API})
    before = _scrape(server)

    for _ in range(3):
        server.run("metered", "a", {})
    server.run("metered", "a", {"fail": True}, retry={"maximumAttempts": 2})

    def grown(name: str, **labels: str) -> float:
        return _value(_scrape(server), name, **labels) - _value(before, name, **labels)

    # An answer may be a second old.
    eventually(lambda: grown("runwright_runs_ended_total", kind="api") == 4)
    assert grown("runwright_runs_accepted_total", kind="api") == 4
    assert grown("runwright_runs_ended_total", kind="api", status="failed") == 1
    assert grown("runwright_attempts_ended_total", status="completed") == 3
    assert grown("runwright_attempts_ended_total", code="script-execution-exception") == 2
    assert grown("runwright_dispatch_seconds_count") == 4
    assert grown("runwright_dispatch_seconds_bucket", le="60") == 4
    assert 0 < grown("runwright_dispatch_seconds_sum") < 60
    route = "/projects/{project_name}/run/start"
    assert grown("runwright_http_answers_total", route=route, status="200") == 4
    assert grown("runwright_http_request_seconds_count", route=route, method="POST") == 4


def test_a_worker_says_what_it_holds(server: RunwrightServer) -> None:
    server.deploy("metered", {"api/a.py": _API})

    def told() -> dict[str, Any]:
        text = _scrape(server)
        names = ("slots", "browsers", "memory_bytes", "runner_memory_bytes", "open_files")
        found = {name: _value(text, f"runwright_worker_{name}") for name in names}
        return found if all(found.values()) else {}

    found = eventually(told)

    assert _value(_scrape(server), "runwright_workers") == 1
    assert found["browsers"] <= _value(_scrape(server), "runwright_worker_runners") + 1
    assert found["runner_memory_bytes"] > 20 * 2**20
