"""A Worker that stalled and was presumed dead changes nothing of what another took over from it."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
from helpers import clusters
from helpers.server import RunwrightServer, eventually, serving

_PROJECT = {
    "api/held.py": (
        "import asyncio, os, pathlib\n"
        "async def automation(page, params):\n"
        "    here = pathlib.Path(params['folder']) / str(os.getpid())\n"
        "    here.touch()\n"
        "    while not here.with_suffix('.goes-on').exists():\n        await asyncio.sleep(0.02)\n"
        "    return os.getpid()\n"
    ),
    "api/quick.py": "async def automation(page, params):\n    return 1\n",
}
_SILENCE = {"RUNWRIGHT_HEARTBEAT_TIMEOUT": "2", "RUNWRIGHT_SLOTS": "1"}


@pytest.fixture(name="installation")
def _installation(tmp_path: Path) -> Generator[tuple[RunwrightServer, str]]:
    """Yield a server without a Worker, and the database that Workers may work from."""
    with clusters.postgresql(tmp_path / "pg") as url:
        settings = clusters.settings(tmp_path, url)
        with serving(tmp_path / "serve", "--no-worker", **settings) as server:
            yield server, url


@pytest.mark.parametrize("has_ended", [False, True], ids=["goes on", "has ended"])
def test_a_worker_that_was_only_slow_changes_nothing_of_what_another_took_over(
    installation: tuple[RunwrightServer, str], tmp_path: Path, has_ended: bool
) -> None:
    server, url = installation
    began = tmp_path / "began"
    began.mkdir()
    with ExitStack() as stack:
        slow = stack.enter_context(clusters.worker(tmp_path / "a", url, **_SILENCE))
        assert server.deploy("p", _PROJECT)["status"] == "ready"
        run_id = server.start("p", "held", {"folder": str(began)}, retry={"maximumAttempts": 2})
        (first,) = eventually(lambda: _pids(began))
        with _standing_still(slow):
            if has_ended:
                # What it returns is there to be read when the Worker goes on.
                (began / f"{first}.goes-on").touch()
            stack.enter_context(clusters.worker(tmp_path / "b", url, **_SILENCE))
            (second,) = eventually(lambda: _pids(began) - {first})

        # The other's only slot is taken: this one goes through once the slow one is done with the Run.
        assert server.run("p", "quick")["result"] == 1
        assert has_ended or not psutil.pid_exists(first)
        meanwhile = server.detail(run_id)["status"]
        (began / f"{second}.goes-on").touch()
        found = server.result("p", run_id)
        attempts = server.detail(run_id)["attempts"]

    assert (meanwhile, found["result"]) == ("started", second)
    assert [each["status"] for each in attempts] == ["failed", "completed"]
    assert attempts[0]["error"]["details"]["crashed"] == "worker"


@contextmanager
def _standing_still(process: subprocess.Popen[str]) -> Generator[None]:
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def _pids(folder: Path) -> set[int]:
    """Return the process ids of the Runners in which the Run has begun."""
    return {int(each.name) for each in folder.iterdir() if each.name.isdigit()}
