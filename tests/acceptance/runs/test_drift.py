"""Runs that complete with less than usual: marked, announced once, and never held up."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from helpers import command_line
from helpers.server import RunwrightServer, eventually, serving
from outside import receivers
from outside.receivers import Receiver
from standardwebhooks import Webhook

PROJECT = {
    "api/shop/list.py": (
        "async def automation(page, params):\n"
        "    row = {'name': 'n', 'price': params.get('price', 1)}\n"
        "    return {'rows': [row] * params.get('count', 30)}\n"
    ),
}


@pytest.fixture(scope="module", name="own")
def _own(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunwrightServer]:
    with serving(
        tmp_path_factory.mktemp("drift") / "data", RUNWRIGHT_WEBHOOK_ALLOW_PRIVATE="true"
    ) as server:
        yield server


@pytest.fixture(name="receiver")
def _receiver() -> Generator[Receiver]:
    with receivers.serving() as receiver:
        yield receiver


def _profile(server: RunwrightServer, project: str) -> dict[str, Any]:
    with server.client() as client:
        return client.get(f"/projects/{project}/drift").json()["apis"][0]


def _learnt(server: RunwrightServer, project: str) -> None:
    """Let the project carry out what says what is usual."""
    assert server.deploy(project, PROJECT)["status"] == "ready"
    runs = [server.start(project, "shop/list") for _ in range(20)]
    for run_id in runs:
        server.result(project, run_id)
    eventually(lambda: _profile(server, project)["knownRuns"] == 20)


def _drift(server: RunwrightServer, run_id: str) -> dict[str, Any]:
    return eventually(lambda: server.detail(run_id)["drift"])


def test_a_run_that_lost_a_field_is_marked_and_told_of_once(
    own: RunwrightServer, receiver: Receiver
) -> None:
    _learnt(own, "told")
    sink = {"type": "webhook", "url": receiver.url}
    first = own.start("told", "shop/list", {"price": None}, sink=sink)
    found = _drift(own, first)
    second = own.start("told", "shop/list", {"price": None}, sink=sink)
    _drift(own, second)
    eventually(lambda: len(receiver.received) == 3)
    with own.client() as client:
        listed = client.get("/projects/told/runs", params={"drifted": "true"}).json()["runs"]
        secret = client.get("/projects/told/webhook-secret").json()["secret"]

    bodies = [Webhook(secret).verify(body, headers) for headers, body in receiver.received]
    told = [each for each in bodies if each.get("type") == "run.drifted"]
    assert found["kinds"] == ["lost-fields"]
    assert found["fields"] == ["rows[].price"]
    assert own.detail(first)["status"] == "completed"
    assert [each["runId"] for each in listed] == [second, first]
    assert [each["data"]["run"]["id"] for each in told] == [first]
    assert told[0]["data"]["drift"]["fields"] == ["rows[].price"]


def test_the_watch_is_switched_off_and_on_and_told_what_is_right(
    own: RunwrightServer, tmp_path: Path
) -> None:
    def say(*words: str) -> str:
        done = command_line.run(own, "drift", *words, cwd=tmp_path)
        return done.stdout.strip() or done.stderr.strip()

    _learnt(own, "said")
    _drift(own, own.start("said", "shop/list", {"count": 0}))
    drifting = say("list", "said")
    accepted = say("accept", "said", "shop/list")
    known = _profile(own, "said")["knownRuns"]
    off = say("off", "said", "shop/list")
    listed = json.loads(say("list", "said", "--json"))
    on = say("on", "said", "shop/list")
    unknown = say("off", "said", "none")

    assert "drifting" in drifting
    assert (accepted, off, on) == ("shop/list: accepted", "shop/list: off", "shop/list: on")
    assert known == 1
    assert listed[0]["isWatched"] is False
    assert _profile(own, "said")["knownRuns"] == 0
    assert "There is no API `none`" in unknown
