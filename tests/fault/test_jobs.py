"""Whichever process dies during a JobRun or a firing: every item ends once, every firing happens once."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import signal
import threading
from collections.abc import Generator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest
from helpers import clusters
from helpers.server import RunwrightServer, alive_below, eventually, eventually_async, serving

PROJECT = {
    "api/item.py": (
        "from runwright.sdk import extend_payload\n"
        "async def automation(page, params):\n"
        "    for n in range(params.get('more', 0)):\n"
        "        extend_payload({'api': 'item', 'parameters': {'n': f\"{params['n']}.{n}\"}})\n"
        "    return params['n']\n"
    ),
}
_ITEMS, _EXTENDING = 150, 25
_ENDED = ("SUCCESS", "FAILURE", "COMPLETED", "TERMINATED", "CANCELED")


@pytest.fixture(name="server")
def _server(tmp_path: Path) -> Generator[tuple[RunwrightServer, str]]:
    """Return a server without a worker, and the database that others may work from."""
    with (
        clusters.postgresql(tmp_path / "pg") as url,
        serving(tmp_path / "data", "--no-worker", **clusters.settings(tmp_path, url)) as server,
    ):
        yield server, url


def _work(stack: ExitStack, directory: Path, url: str) -> Any:
    return stack.enter_context(
        clusters.worker(
            directory, url, RUNWRIGHT_HEARTBEAT_TIMEOUT="2", RUNWRIGHT_RETRY_DELAY="0.1",
            RUNWRIGHT_MAX_CRASHES="50",
        )
    )  # fmt: skip


def _job_run(http: httpx2.Client, job_run_id: str) -> dict[str, Any]:
    return http.get(f"/projects/p/jobs/j/runs/{job_run_id}").json()["jobRun"]


def test_a_job_run_survives_workers_that_are_killed_at_any_moment(
    server: tuple[RunwrightServer, str], tmp_path: Path
) -> None:
    found, url = server
    with ExitStack() as stack, found.client() as http:
        workers = [_work(stack, tmp_path / f"w{number}", url) for number in range(2)]
        found.deploy("p", PROJECT)
        assert http.post("/projects/p/jobs", json=_job()).status_code == 201
        job_run_id = http.post("/projects/p/jobs/j/trigger").json()["jobRunId"]

        for number in range(2, 5):
            _kill_at_some_moment(workers.pop(0), number)
            workers.append(_work(stack, tmp_path / f"w{number}", url))
            meanwhile = _job_run(http, job_run_id)
            assert meanwhile["successful_runs"] + meanwhile["failed_runs"] <= meanwhile["payloads"]
        eventually(lambda: _job_run(http, job_run_id)["status"] in _ENDED, within=240)
        ended = http.get(f"/projects/p/jobs/j/runs/{job_run_id}").json()
        lines = httpx2.get(ended["results"]["signed_url"], timeout=60).text.splitlines()
    eventually(lambda: not alive_below(tmp_path / "w0"), within=60)

    results = [json.loads(line)["result"]["result"] for line in lines]
    names = [str(n) for n in range(_ITEMS)]
    names += [f"{n}.{m}" for n, m in itertools.product(range(_EXTENDING), range(2))]
    assert ended["jobRun"]["status"] == "SUCCESS"
    assert ended["jobRun"]["payloads"] == ended["jobRun"]["successful_runs"] == len(names) == 200
    assert sorted(results) == sorted(names)


def _job() -> dict[str, Any]:
    payload: list[dict[str, Any]] = [
        {"apiName": "item", "parameters": {"n": str(n), **({"more": 2} if n < _EXTENDING else {})}}
        for n in range(_ITEMS)
    ]
    configuration = {"retry": {"maximumAttempts": 20}, "maxConcurrentRequests": 6}
    return {"id": "j", "payload": payload, "configuration": configuration}


def _kill_at_some_moment(worker: Any, seed: int) -> None:
    threading.Event().wait(random.Random(seed).random() * 2)
    worker.kill()
    worker.wait()


def test_no_firing_is_lost_or_doubled_when_a_worker_is_killed(
    server: tuple[RunwrightServer, str], tmp_path: Path
) -> None:
    found, url = server
    jobs = [f"j{number}" for number in range(5)]
    with ExitStack() as stack, found.client() as http:
        first = _work(stack, tmp_path / "a", url)
        _work(stack, tmp_path / "b", url)
        found.deploy("p", PROJECT)
        schedule = {"intervals": [{"every": "1s"}]}
        for job_id in jobs:
            body = {"id": job_id, "payload": [], "configuration": {}, "schedule": schedule}
            assert http.post("/projects/p/jobs", json=body).status_code == 201
        eventually(lambda: len(_firings(url, jobs[-1])) >= 2)
        first.kill()
        first.wait()
        count = len(_firings(url, jobs[0]))
        eventually(lambda: len(_firings(url, jobs[0])) >= count + 5)
        for job_id in jobs:
            http.post(f"/projects/p/jobs/{job_id}/pause")

    for job_id in jobs:
        moments = _firings(url, job_id)
        between = {two - one for one, two in itertools.pairwise(moments)}
        assert between == {timedelta(seconds=1)}


_HELD = 4711
_HOLDS = f"""
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_advisory_xact_lock({_HELD}); RETURN NEW; END $$;
CREATE TRIGGER hold BEFORE INSERT ON job_runs FOR EACH ROW EXECUTE FUNCTION hold();
"""


async def test_a_worker_that_is_killed_in_the_middle_of_firing_leaves_the_firing_to_another(
    server: tuple[RunwrightServer, str], tmp_path: Path
) -> None:
    found, url = server
    connection: Any = await asyncpg.connect(url)
    with ExitStack() as stack, found.client() as http:
        first, second = (_work(stack, tmp_path / name, url) for name in ("a", "b"))
        found.deploy("p", PROJECT)
        await connection.execute(_HOLDS)
        await connection.execute("SELECT pg_advisory_lock($1)", _HELD)
        second.send_signal(signal.SIGSTOP)
        seconds, moment = _one_that_comes_soon()
        schedule = {"intervals": [{"every": f"{seconds}s"}]}
        body = {"id": "j", "payload": [], "configuration": {}, "schedule": schedule}
        assert http.post("/projects/p/jobs", json=body).status_code == 201
        await eventually_async(lambda: _is_waited_for(connection))

        first.kill()
        first.wait()
        await connection.execute("SELECT pg_advisory_unlock($1)", _HELD)
        second.send_signal(signal.SIGCONT)

        await eventually_async(lambda: _has_moved_on(connection, moment))
    rows = await connection.fetch("SELECT firing FROM job_runs")
    await connection.close()

    assert [row["firing"] for row in rows] == [moment]


def _one_that_comes_soon() -> tuple[int, datetime]:
    """Return an interval of hours, in seconds, and its next moment, which comes in a quarter of a minute."""
    soon = int(datetime.now(UTC).timestamp()) + 15
    return next(
        (seconds, datetime.fromtimestamp(moment, UTC))
        for moment in itertools.count(soon)
        for seconds in range(7200, 86400)
        if moment % seconds == 0
    )


async def _has_moved_on(connection: Any, moment: datetime) -> bool:
    """Return whether the Job waits for a later moment."""
    return await connection.fetchval("SELECT firing > $1 FROM jobs WHERE id = 'j'", moment)


async def _is_waited_for(connection: Any) -> bool:
    """Return whether somebody is in the middle of a transaction that fires."""
    return await connection.fetchval(
        "SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND NOT granted",
        _HELD,
    )


def _firings(url: str, job_id: str) -> list[datetime]:
    """Return the moments of its Schedule that a Job has fired for, in order."""

    async def ask() -> list[datetime]:
        connection: Any = await asyncpg.connect(url)
        try:
            rows = await connection.fetch(
                "SELECT firing FROM job_runs WHERE job_id = $1 ORDER BY firing", job_id
            )
            return [row["firing"] for row in rows]
        finally:
            await connection.close()

    return asyncio.run(ask())
