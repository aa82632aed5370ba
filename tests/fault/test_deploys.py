"""Workers that stall, and processes that die, during a deploy."""

from __future__ import annotations

import signal
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from helpers import clusters
from helpers.server import RunwrightServer, eventually, runners_below, serving
from outside import receivers

_IMPORTS = """
import urllib.request
urllib.request.urlopen({url!r}, data=b"here").read()
async def automation(page, params):
    return params
"""


def test_a_worker_that_stood_still_does_not_fail_the_deploy_of_who_took_it_over(
    tmp_path: Path,
) -> None:
    with ExitStack() as stack:
        url = stack.enter_context(clusters.postgresql(tmp_path / "pg"))
        settings = clusters.settings(tmp_path, url)
        server = stack.enter_context(serving(tmp_path / "serve", "--no-worker", **settings))
        site = stack.enter_context(receivers.serving())
        site.misdeed = "waits"
        silence = {"RUNWRIGHT_HEARTBEAT_TIMEOUT": "2"}
        first = stack.enter_context(
            clusters.worker(tmp_path / "a", url, RUNWRIGHT_INSPECT_TIMEOUT="8", **silence)
        )
        deploying = stack.enter_context(ThreadPoolExecutor()).submit(
            server.deploy, "p", {"api/a.py": _IMPORTS.format(url=site.url)}
        )
        eventually(lambda: site.received)

        first.send_signal(signal.SIGSTOP)
        try:
            stack.enter_context(clusters.worker(tmp_path / "b", url, **silence))
            eventually(lambda: len(site.received) == 2)
            assert runners_below(tmp_path / "a")
        finally:
            first.send_signal(signal.SIGCONT)
        # It has waited for too long by now, and gives up.
        eventually(lambda: not runners_below(tmp_path / "a"))
        has_ended = deploying.done()
        site.goes_on.set()

        found = deploying.result()
        assert (found["status"], found["error"], has_ended) == ("ready", None, False)


_KILLED = """
import os, pathlib, signal
mark = pathlib.Path({mark!r})
if not mark.exists() or {is_always}:
    mark.touch()
    os.kill(os.getpid(), signal.SIGKILL)
async def automation(page, params):
    return params
"""


@pytest.fixture(name="server", scope="module")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunwrightServer]:
    with serving(tmp_path_factory.mktemp("serve") / "data") as found:
        yield found


def test_an_import_that_is_killed_is_tried_once_more(
    server: RunwrightServer, tmp_path: Path
) -> None:
    mark = str(tmp_path / "mark")

    found = server.deploy("p", {"api/a.py": _KILLED.format(mark=mark, is_always=False)})

    assert (found["status"], found["error"]) == ("ready", None)
    assert any("died; trying again: it was killed (SIGKILL)" in each for each in found["progress"])


def test_an_import_that_is_killed_twice_fails_the_deploy(
    server: RunwrightServer, tmp_path: Path
) -> None:
    mark = str(tmp_path / "mark")

    found = server.deploy("q", {"api/a.py": _KILLED.format(mark=mark, is_always=True)})

    assert found["status"] == "failed"
    assert "killed the process twice: it was killed (SIGKILL)" in found["error"]
