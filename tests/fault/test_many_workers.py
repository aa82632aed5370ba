"""Many servers and Workers on one PostgreSQL and one bucket: the same contract, and nothing lost between them."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from helpers import many
from helpers.many import Cluster
from helpers.server import alive_below, environment, eventually

_ROOT = Path(__file__).resolve().parents[2]
_PROJECT = {
    "api/quick.py": "async def automation(page, params):\n    return params['n']\n",
    "api/slow.py": (
        "import asyncio\nasync def automation(page, params):\n"
        "    await asyncio.sleep(1)\n    return params['n']\n"
    ),
    "api/writes.py": (
        "import pathlib, runwright.sdk as sdk\n"
        "async def automation(page, params):\n"
        "    await sdk.persistent_store.set('k', params['n'])\n"
        "    return await sdk.persistent_store.get('k')\n"
    ),
}
_RUNS = 60
# What the document allows is thrown at one server in `tests/contract` itself; here it would take minutes.
_CONTRACT = ["tests/contract", "--ignore=tests/contract/test_openapi.py", "--many"]

pytestmark = pytest.mark.skipif(
    not list(Path("/usr/lib/postgresql").glob("*/bin")),
    reason="the distribution's package `postgresql` is not installed",
)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_contract_holds_on_many_servers_and_workers() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *_CONTRACT],
        cwd=_ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=350,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-5000:]


@pytest.fixture(name="cluster")
def _cluster(tmp_path: Path) -> Generator[Cluster]:
    with many.cluster(tmp_path, {"RUNWRIGHT_DRAIN_GRACE": "0.2"}, workers=2) as found:
        yield found


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_workers_and_servers_come_and_go_under_load_and_nothing_is_lost(cluster: Cluster) -> None:
    server = many.entrance(cluster)
    assert server.deploy("p", _PROJECT)["error"] is None
    accepted: list[tuple[str, int]] = []

    def start() -> None:
        for number in range(_RUNS):
            api = ("quick", "slow", "writes")[number % 3]
            accepted.append(
                (server.start("p", api, {"n": number}, saveTrace=number % 10 == 0), number)
            )

    starting = threading.Thread(target=start)
    starting.start()
    eventually(lambda: len(accepted) > _RUNS // 4)
    codes = [cluster.stop(cluster.workers[0])]
    cluster.add_worker()
    codes.append(cluster.stop(cluster.workers[1]))
    cluster.add_worker()
    starting.join()
    results = [server.result("p", run_id, within=240) for run_id, _ in accepted]

    assert codes == [0, 0]
    assert [each["status"] for each in results] == ["completed"] * _RUNS
    # Of what is written and read back under one key of all, any Run's may be read.
    shown = [(each["result"], number) for each, (_, number) in zip(results, accepted, strict=True)]
    assert all(found == number for found, number in shown if number % 3 != 2)
    # Who drains gives back, and what is given back does not count.
    attempts = [server.detail(run_id)["attempts"] for run_id, _ in accepted]
    assert [len(each) for each in attempts] == [1] * _RUNS
    file: Any = eventually(lambda: server.detail(accepted[0][0])["files"])[0]
    with server.client() as client:
        assert client.get(f"{server.url}{file['url']}").content.startswith(b"PK")
    assert not [
        each for name in (2, 3) for each in alive_below(cluster.directory / f"worker-{name}")
    ]
