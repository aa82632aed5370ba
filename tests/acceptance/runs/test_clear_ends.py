"""An Attempt's outcome is received however it arrives: late, in a flood of output, or with parts that cannot be stored."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

import asyncpg
from helpers import clusters
from helpers.server import RunwrightServer, eventually, serving

_TIMEOUT_SECONDS = 5
_FLOOD = """\
import asyncio


async def automation(page, params):
    print("begun", flush=True)
    while True:
        print("x" * 200)
        await asyncio.sleep(0)
"""
_NAP = """\
import time
from pathlib import Path


async def automation(page, params):
    Path(params["at"]).write_text("begun")
    while not Path(params["until"]).exists():
        time.sleep(0.02)
    return "done"
"""
_COUNTS = """\
from pathlib import Path


async def automation(page, params):
    with Path(params["times"]).open("a") as file:
        file.write("x")
    return "refuse me"
"""
_REFUSES = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'refused' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER refuses BEFORE UPDATE ON runs FOR EACH ROW
WHEN (NEW.result LIKE '%refuse me%') EXECUTE FUNCTION refuse();
"""


def test_a_run_that_prints_all_the_time_is_canceled_when_asked(server: RunwrightServer) -> None:
    assert server.deploy("floods", {"api/flood.py": _FLOOD})["status"] == "ready"
    run_id = server.start("floods", "flood", retry={"maximumAttempts": 1})
    eventually(lambda: server.detail(run_id)["status"] == "started")

    with server.client() as client:
        assert client.post(f"/projects/floods/run/{run_id}/cancel").is_success

    # Its own time limit is ten minutes.
    assert server.result("floods", run_id, within=60)["status"] == "canceled"


def test_a_run_that_ended_in_time_on_a_server_that_was_stopped_has_its_result(
    tmp_path: Path,
) -> None:
    with serving(tmp_path / "data") as server:
        assert server.deploy("naps", {"api/nap.py": _NAP})["status"] == "ready"
        begun, until = tmp_path / "begun", tmp_path / "until"
        run_id = server.start(
            "naps",
            "nap",
            {"at": str(begun), "until": str(until)},
            requestTimeout=_TIMEOUT_SECONDS,
            retry={"maximumAttempts": 1},
        )
        eventually(begun.exists)
        server.process.send_signal(signal.SIGSTOP)
        stopped_at = time.monotonic()
        until.touch()
        eventually(lambda: time.monotonic() > stopped_at + _TIMEOUT_SECONDS + 1)
        server.process.send_signal(signal.SIGCONT)

        found = server.result("naps", run_id)

    assert (found["status"], found.get("result")) == ("completed", "done"), found


def test_an_end_that_the_database_refuses_is_an_end_all_the_same(tmp_path: Path) -> None:
    times = tmp_path / "times"
    with (
        clusters.postgresql(tmp_path / "postgresql") as url,
        serving(tmp_path / "data", **clusters.settings(tmp_path, url)) as server,
    ):
        asyncio.run(_execute(url, _REFUSES))
        assert server.deploy("counts", {"api/count.py": _COUNTS})["status"] == "ready"

        found = server.run("counts", "count", {"times": str(times)})

    assert (found["status"], found["error"]["code"]) == ("failed", "internal-server-error"), found
    assert times.read_text() == "x"


async def _execute(url: str, statement: str) -> None:
    connection: Any = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()
