"""A full disk and short memory: clear responses, nothing broken, and work resumes once there is room."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from helpers.server import RunwrightServer, eventually, serving, serving_within

from runwright.adapters import memory

_PROJECT = {
    "api/a.py": "async def automation(page, params):\n    return params\n",
    "api/slow.py": (
        "import asyncio\nasync def automation(page, params):\n"
        "    await asyncio.sleep(0.3)\n    return params\n"
    ),
}
_ITEMS = 30
_TMPFS_BYTES = 400 * 2**20
_LINE_BYTES = 64 * 2**20
_HUGE = str(2**50)


def _reasons(server: RunwrightServer) -> str:
    answer = httpx2.get(f"{server.url}/readyz", timeout=30)
    assert answer.status_code in (200, 503)
    return " ".join(answer.json()["reasons"])


def _try_to_start(server: RunwrightServer, n: int) -> httpx2.Response:
    body = {"api": "a", "parameters": {"n": n, "filler": "x" * 200_000}}
    with server.client() as client:
        answer = client.post("/projects/p/run/start", json=body)
    assert answer.status_code in (200, 503), answer.text
    if answer.status_code == 503:
        assert answer.json()["code"] == "unavailable"
        assert answer.headers["retry-after"]
    return answer


def _schedule_every_second(server: RunwrightServer) -> None:
    job = {
        "id": "often",
        "configuration": {},
        "payload": [{"apiName": "a", "parameters": {}}],
        "schedule": {"intervals": [{"every": "1s"}]},
    }
    with server.client() as client:
        answer = client.post("/projects/p/jobs", json=job)
    assert answer.status_code == 201, answer.text


def _firings(server: RunwrightServer) -> list[datetime]:
    """Return when JobRuns were begun."""
    with server.client() as client:
        found = client.get("/projects/p/jobs/often/runs", params={"limit": 100}).json()["jobRuns"]
    return [datetime.fromisoformat(each["created_at"]) for each in found]


def _fired(server: RunwrightServer) -> int:
    return len(_firings(server))


def _fill(directory: Path, *, leaving: int) -> Path:
    """Write a file that leaves so many bytes of the disk; 0: until nothing more can be written."""
    ballast = directory / "ballast"
    with contextlib.suppress(OSError), ballast.open("ab") as out:
        free = os.statvfs(directory).f_bavail * os.statvfs(directory).f_frsize
        if free > leaving:
            out.write(b"\0" * (free - leaving))
        while not leaving:
            out.write(b"\0" * 4096)
            out.flush()
    return ballast


@contextlib.contextmanager
def _serving_on_tmpfs(**settings: str) -> Generator[tuple[RunwrightServer, Path]]:
    """Serve on a small disk of its own, in a mount namespace of its own; yield the disk as we see it."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        data_dir = Path(directory) / "data"
        data_dir.mkdir(mode=0o755)
        mount = f'mount -t tmpfs -o size={_TMPFS_BYTES},mode=755 tmpfs {data_dir} && exec "$@"'
        within = ("unshare", "-m", "sh", "-c", mount, "sh")
        with serving_within(within, data_dir, **settings) as server:
            yield server, Path(f"/proc/{server.process.pid}/root{data_dir}")


def _can_mount() -> bool:
    command = ["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", tempfile.gettempdir()]
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except OSError:
        return False


needs_mount = pytest.mark.skipif(
    sys.platform != "linux" or not _can_mount(),
    reason="a small disk needs root and mount namespaces",
)


@needs_mount
def test_below_the_line_new_runs_are_refused_and_what_is_accepted_waits() -> None:
    with _serving_on_tmpfs(RUNWRIGHT_MIN_FREE_BYTES=str(_LINE_BYTES)) as (server, disk):
        assert server.deploy("p", _PROJECT)["status"] == "ready"
        server.run("p", "a", {"n": 0})
        _schedule_every_second(server)
        eventually(lambda: _fired(server) > 0)

        ballast = _fill(disk, leaving=_LINE_BYTES // 2)
        refused = _try_to_start(server, 1)
        assert (refused.status_code, "nearly full" in refused.text) == (503, True)
        assert "nearly full" in _reasons(server)
        with server.client() as client:
            assert client.get("/projects/p/runs").json()["runs"][0]["status"] == "completed"
        # What was begun at the moment at which the disk was filled may still come.
        missed_from = datetime.now(UTC) + timedelta(seconds=1)
        missed_to = missed_from + timedelta(seconds=3)
        eventually(lambda: datetime.now(UTC) > missed_to)

        ballast.unlink()
        eventually(lambda: not _reasons(server))
        before = _fired(server)
        eventually(lambda: _fired(server) > before)
        assert not [at for at in _firings(server) if missed_from < at < missed_to]
        assert server.run("p", "a", {"n": 2})["result"] == {"n": 2}


@needs_mount
def test_a_disk_that_is_full_breaks_nothing_and_it_goes_on_when_there_is_room() -> None:
    with _serving_on_tmpfs(RUNWRIGHT_MIN_FREE_BYTES="0") as (server, disk), server.client() as http:
        assert server.deploy("p", _PROJECT)["status"] == "ready"
        accepted = [_try_to_start(server, n).json()["runId"] for n in range(3)]
        job_run = _begin_job_run(http)
        eventually(lambda: _job_run(http, job_run)["successful_runs"] > 2)

        ballast = _fill(disk, leaving=0)
        refusals = 0
        deadline = time.monotonic() + 60
        while refusals < 5:
            assert time.monotonic() < deadline
            answer = _try_to_start(server, 9)
            if answer.status_code == 200:
                accepted.append(answer.json()["runId"])
            else:
                refusals += 1
            # What PostgreSQL gives back is taken too.
            _fill(disk, leaving=0)
        ballast.unlink()

        eventually(lambda: _try_to_start(server, 10).status_code == 200, within=60)
        for run_id in accepted:
            assert server.result("p", run_id)["status"] == "completed"
        eventually(lambda: _job_run(http, job_run)["end_time"])
        ended = _job_run(http, job_run)
        counts = (ended["payloads"], ended["successful_runs"], ended["failed_runs"])
        assert (ended["status"], counts) == ("SUCCESS", (_ITEMS, _ITEMS, 0))
        assert _statuses_of(http, job_run) == ["completed"] * _ITEMS


def _begin_job_run(http: httpx2.Client) -> str:
    """Begin a JobRun that goes on for a while."""
    payload = [{"apiName": "slow", "parameters": {"n": n}} for n in range(_ITEMS)]
    job = {"id": "j", "payload": payload, "configuration": {"maxConcurrentRequests": 2}}
    assert http.post("/projects/p/jobs", json=job).status_code == 201
    return http.post("/projects/p/jobs/j/trigger").json()["jobRunId"]


def _statuses_of(http: httpx2.Client, job_run_id: str) -> list[str]:
    chosen = {"jobRunId": job_run_id, "limit": 100}
    return [each["status"] for each in http.get("/projects/p/runs", params=chosen).json()["runs"]]


def _job_run(http: httpx2.Client, job_run_id: str) -> dict[str, Any]:
    return http.get(f"/projects/p/jobs/j/runs/{job_run_id}").json()["jobRun"]


def test_without_memory_nothing_begins_and_readyz_says_so(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with serving(data_dir, RUNWRIGHT_MIN_MEMORY_BYTES=_HUGE) as server:
        server.deploy("p", _PROJECT)
        run_id = server.start("p", "a", {"n": 1})

        assert eventually(lambda: "short of memory" in _reasons(server))
        assert server.detail(run_id)["status"] == "pending"
        metrics = httpx2.get(
            f"{server.url}/metrics", headers={"x-api-key": server.api_key}, timeout=60
        ).text
        assert "short_of_memory{" in metrics

    with serving(data_dir) as server:
        assert server.result("p", run_id)["status"] == "completed"
        assert "memory" not in _reasons(server)


def test_a_containers_limit_counts(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("700000\n")
    (tmp_path / "memory.stat").write_text("anon 500000\ninactive_file 200000\n")

    assert memory.available_bytes(tmp_path) == 500_000
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.available_bytes(tmp_path) > 1_000_000


@needs_mount
@pytest.mark.parametrize(
    ("size", "first"), [("4k", "true"), ("3m", "true"), ("300m", "serve_once")]
)
def test_who_starts_on_a_full_disk_is_told_so(tmp_path: Path, size: str, first: str) -> None:
    tmp_path.chmod(0o755)
    serve = f"{sys.executable} -m runwright.cli.main serve --data-dir {tmp_path}/data --port 0"
    script = f"""
        serve_once() {{
            {serve} &
            until [ -e {tmp_path}/data/connection.json ]; do sleep 0.1; done
            kill $! && wait
        }}
        mount -t tmpfs -o size={size},mode=755 tmpfs {tmp_path} || exit 9
        {first}
        cat /dev/zero > {tmp_path}/ballast 2> /dev/null
        exec {serve}
    """

    told = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )

    last = told.stderr.splitlines()[-1]
    assert told.returncode == 2, told.stderr
    assert "full" in last or "No space left" in last
    assert "Traceback" not in told.stderr
