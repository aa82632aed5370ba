"""Whichever process dies during a sign-in: another takes over, and no AuthSession stays held."""

from __future__ import annotations

import signal
from collections.abc import Generator
from pathlib import Path

import pytest
from helpers import clusters
from helpers.server import RunwrightServer, alive_below, eventually, runners_below, serving
from outside import sign_in_site
from outside.sign_in_site import Site


@pytest.fixture(name="site")
def _site() -> Generator[Site]:
    with sign_in_site.serving() as site:
        yield site


def test_a_create_whose_worker_is_killed_is_taken_up_by_another(site: Site, tmp_path: Path) -> None:
    with (
        clusters.postgresql(tmp_path / "pg") as url,
        serving(tmp_path / "data", "--no-worker", **clusters.settings(tmp_path, url)) as server,
        clusters.worker(tmp_path / "a", url) as first,
    ):
        server.deploy("p", sign_in_site.project(site))
        site.opens.clear()
        operation_id = server.begin("p", "create", {"id": "s", "parameters": site.parameters})
        waiting = [server.start("p", "home", authSession={"id": "s"}) for _ in range(3)]
        eventually(lambda: site.tries == 1)
        assert runners_below(tmp_path / "a")
        first.kill()
        first.wait()
        site.opens.set()

        with clusters.worker(tmp_path / "b", url):
            done = server.operation("p", "create", operation_id)
            results = [server.result("p", run_id).get("result") for run_id in waiting]
            parts = server.detail(operation_id)["parts"]
        eventually(lambda: not alive_below(tmp_path / "a"), within=60)

        assert done == {"status": "done", "authSessionId": "s"}
        assert results == ["Welcome"] * 3
        assert server.sessions("p") == {"s": "READY"}
        assert [(each["kind"], each["status"]) for each in parts] == [
            ("create", "failed"),
            ("create", "completed"),
            ("check", "completed"),
        ]
        assert parts[0]["error"]["details"] == {"crashed": "worker"}


def test_a_drained_server_gives_a_create_back(site: Site, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with serving(data_dir, RUNWRIGHT_DRAIN_GRACE="0.3") as server:
        server.deploy("p", sign_in_site.project(site))
        site.opens.clear()
        operation_id = server.begin("p", "create", {"id": "s", "parameters": site.parameters})
        run_id = server.start("p", "home", authSession={"id": "s"})
        eventually(lambda: site.tries == 1)
        assert runners_below(data_dir)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=60) == 0
        assert alive_below(data_dir) == []
    site.opens.set()

    with serving(data_dir) as server:
        assert server.operation("p", "create", operation_id)["status"] == "done"
        assert server.result("p", run_id)["result"] == "Welcome"
        parts = server.detail(operation_id)["parts"]

    assert [(each["kind"], each["status"]) for each in parts] == [
        ("create", "canceled"),
        ("create", "completed"),
        ("check", "completed"),
    ]


def test_a_sign_in_that_takes_every_worker_with_it_is_given_up(site: Site, tmp_path: Path) -> None:
    killing = {"auth-sessions/create.py": "async def create(page, params):\n    while True: pass\n"}
    data_dir = tmp_path / "data"
    settings = {"RUNWRIGHT_MAX_CRASHES": "2", "RUNWRIGHT_HEARTBEAT_TIMEOUT": "2"}
    with serving(data_dir, **settings) as server:
        server.deploy("p", sign_in_site.project(site, **killing))
        body = {"id": "s", "parameters": site.parameters}
        operation_id = server.begin("p", "create", body)
        run_id = server.start("p", "home", authSession={"id": "s"})
        _kill_in_part(server, operation_id, 1)
    with serving(data_dir, **settings) as server:
        _kill_in_part(server, operation_id, 2)
    with serving(data_dir, **settings) as server:
        found = server.operation("p", "create", operation_id)
        run = server.result("p", run_id)
        sessions = server.sessions("p")

    assert found["error"]["code"] == "script-process-crashed"
    assert run["reason"]["type"] == "auth-session-validate-dependency-failed"
    assert sessions == {}


def _kill_in_part(server: RunwrightServer, operation_id: str, number: int) -> None:
    """Kill the server as soon as the operation is in that part of it."""

    def is_in() -> bool:
        parts = server.detail(operation_id)["parts"]
        return len(parts) == number and parts[-1]["status"] == "started"

    eventually(is_in)
    server.process.kill()
    server.process.wait()
