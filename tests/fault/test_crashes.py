"""Whatever dies, and whenever: every accepted Run ends once, in a correct state, and nothing is left over."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest
from helpers import clusters
from helpers.server import RunwrightServer, alive_below, eventually, runners_below, serving

PROJECT = {
    "api/quick.py": "async def automation(page, params):\n    return params\n",
    "api/slow.py": (
        "import asyncio\nasync def automation(page, params):\n"
        "    await asyncio.sleep(params['seconds'])\n    return 'slept'\n"
    ),
    "api/gated.py": (
        "import asyncio, pathlib\n"
        "async def automation(page, params):\n"
        "    while not pathlib.Path(params['gate']).exists():\n        await asyncio.sleep(0.02)\n"
        "    return 'passed'\n"
    ),
    "api/blocks.py": "async def automation(page, params):\n    while True: pass\n",
}
_TITLE = (
    "async def automation(page, params):\n"
    "    await page.goto('data:text/html,<title>alive</title>')\n    return await page.title()\n"
)
_FINAL = ("completed", "failed", "canceled")


def _postmaster(server: RunwrightServer) -> psutil.Process:
    children = psutil.Process(server.process.pid).children()
    return next(each for each in children if each.name() == "postgres")


def test_kill_minus_nine_of_serve_ends_even_code_that_never_yields(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with serving(data_dir) as server:
        server.deploy("p", PROJECT)
        run_id = server.start("p", "blocks")
        eventually(lambda: server.detail(run_id)["status"] == "started")
        assert runners_below(data_dir)

        server.process.kill()
        server.process.wait()

        eventually(lambda: not alive_below(data_dir))


@pytest.mark.parametrize("save_trace", [False, True], ids=["untraced", "traced"])
def test_a_page_that_dies_while_nobody_uses_it_costs_no_attempt(
    tmp_path: Path, save_trace: bool
) -> None:
    data_dir = tmp_path / "data"
    with serving(data_dir) as server:
        server.deploy("p", {"api/title.py": _TITLE})
        renderers = _renderers(server)
        assert renderers

        for each in renderers:
            each.kill()
        eventually(lambda: not any(map(_is_renderer, renderers)))
        again = server.run("p", "title", retry={"maximumAttempts": 1}, saveTrace=save_trace)

        assert (again["status"], again.get("result")) == ("completed", "alive")


def _renderers(server: RunwrightServer) -> list[psutil.Process]:
    below = psutil.Process(server.process.pid).children(recursive=True)
    return [each for each in below if _is_renderer(each)]


def _is_renderer(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return any("--type=renderer" in each for each in process.cmdline())
    return False


def test_what_a_draining_worker_gives_back_does_not_count(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with serving(data_dir, RUNWRIGHT_DRAIN_GRACE="0.5") as server:
        server.deploy("p", PROJECT)
        run_id = server.start("p", "slow", {"seconds": 3})
        eventually(lambda: server.detail(run_id)["status"] == "started")
        assert runners_below(data_dir)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=60) == 0
        assert alive_below(data_dir) == []

    with serving(data_dir) as server:
        found = server.result("p", run_id)

        assert found["result"] == "slept"
        assert [each["attempt"] for each in server.detail(run_id)["attempts"]] == [1]


def test_what_ends_within_the_grace_is_kept(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with serving(data_dir) as server:
        server.deploy("p", PROJECT)
        run_id = server.start("p", "slow", {"seconds": 1.5})
        eventually(lambda: server.detail(run_id)["status"] == "started")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=60) == 0

    with serving(data_dir) as server, server.client() as client:
        assert client.get(f"/projects/p/run/{run_id}/result").json()["result"] == "slept"


def test_a_killed_postgresql_loses_nothing(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        server.deploy("p", PROJECT)
        accepted: list[str] = []
        for _ in range(3):
            accepted += [server.start("p", "quick", {"n": n}) for n in range(4)]
            accepted.append(server.start("p", "slow", {"seconds": 2}))
            postmaster = _postmaster(server)
            os.kill(postmaster.pid, signal.SIGKILL)
            postmaster.wait(timeout=60)
            eventually(lambda: _accepts(server))
            assert _postmaster(server).pid != postmaster.pid

        results = [server.result("p", run_id) for run_id in accepted]

        assert [each["status"] for each in results] == ["completed"] * len(accepted)
        assert server.process.poll() is None


def _accepts(server: RunwrightServer) -> bool:
    with server.client() as client:
        return client.get("/projects").status_code == 200


def test_without_a_database_a_start_is_a_503_that_can_be_tried_again(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        server.deploy("p", PROJECT)
        postmaster = _postmaster(server)
        cluster = Path(postmaster.cwd())
        away = cluster.with_name("away")
        cluster.rename(away)
        os.kill(postmaster.pid, signal.SIGKILL)

        with server.client() as client:
            body = {"api": "quick", "parameters": {}}
            answer = client.post("/projects/p/run/start", json=body)
            ready = client.get(f"{server.url}/readyz")
        away.rename(cluster)

        assert (answer.status_code, answer.json()["retirable"]) == (503, True)
        assert "retry-after" in answer.headers
        assert ready.status_code == 503
        eventually(lambda: _accepts(server), within=60)
        assert server.run("p", "quick")["status"] == "completed"


def test_a_server_told_to_stop_while_the_database_is_away_ends(tmp_path: Path) -> None:
    brief = {"RUNWRIGHT_DRAIN_GRACE": "0.5", "RUNWRIGHT_WEBHOOK_TIMEOUT": "1"}
    with serving(tmp_path / "data", **brief) as server:
        server.deploy("p", PROJECT)
        run_id = server.start("p", "slow", {"seconds": 3})
        eventually(lambda: server.detail(run_id)["status"] == "started")
        postmaster = _postmaster(server)
        cluster = Path(postmaster.cwd())
        cluster.rename(cluster.with_name("away"))
        os.kill(postmaster.pid, signal.SIGKILL)

        assert runners_below(tmp_path / "data")
        server.process.send_signal(signal.SIGTERM)

        assert server.process.wait(timeout=60) == 0
        assert alive_below(tmp_path / "data") == []
        cluster.with_name("away").rename(cluster)
    with serving(tmp_path / "data") as server:
        assert server.result("p", run_id)["status"] == "failed"


@pytest.fixture(name="cluster")
def _cluster(tmp_path: Path) -> Generator[str]:
    with clusters.postgresql(tmp_path / "pg") as url:
        yield url


def test_what_a_killed_worker_held_is_taken_over_by_another(tmp_path: Path, cluster: str) -> None:
    gate = tmp_path / "gate"
    settings = clusters.settings(tmp_path, cluster)
    with ExitStack() as stack:
        server = stack.enter_context(serving(tmp_path / "serve", "--no-worker", **settings))
        killed, _ = (
            stack.enter_context(clusters.worker(tmp_path / name, cluster, RUNWRIGHT_SLOTS=slots))
            for name, slots in (("a", "2"), ("b", "4"))
        )
        server.deploy("p", PROJECT)
        retry = {"maximumAttempts": 3}
        accepted = [server.start("p", "gated", {"gate": str(gate)}, retry=retry) for _ in range(6)]
        eventually(lambda: all(server.detail(each)["status"] == "started" for each in accepted))

        killed.kill()
        gate.touch()
        results = [server.result("p", run_id) for run_id in accepted]

        assert [each["result"] for each in results] == ["passed"] * 6
        eventually(lambda: not alive_below(tmp_path / "a"))
        details = [server.detail(run_id) for run_id in accepted]
        again = [each for each in details if len(each["attempts"]) > 1]
        assert len(again) == 2
        for each in again:
            assert each["attempts"][0]["error"]["code"] == "script-process-crashed"


def test_two_workers_on_one_machine_do_not_touch_each_other(tmp_path: Path, cluster: str) -> None:
    with serving(tmp_path / "data", **clusters.settings(tmp_path, cluster)) as server:
        server.deploy("p", PROJECT)
        gate = tmp_path / "gate"
        run_id = server.start("p", "gated", {"gate": str(gate)})
        eventually(lambda: server.detail(run_id)["status"] == "started")

        # The same data directory: what it sweeps, before it is ready, must not be the first one's.
        with clusters.worker(tmp_path / "data", cluster):
            gate.touch()
            found = server.result("p", run_id)

        assert found["result"] == "passed"
        assert len(server.detail(run_id)["attempts"]) == 1
