"""The main job through the real server: deploy, start, result."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
import zipfile
from io import BytesIO
from pathlib import Path

import psutil
import pytest
from helpers.server import RunwrightServer, alive_below, eventually, runners_below, serving

PROJECT = {
    "api/hello.py": (
        "import state\n"
        "async def automation(page, params):\n"
        "    print('hello from the author')\n"
        "    await page.set_content('<h1>Hi</h1>')\n"
        "    state.count += 1\n"
        "    return {'h1': await page.inner_text('h1'), 'n': params.get('n'), 'count': state.count}\n"
    ),
    "state.py": "count = 0\n",
    "api/broken.py": "async def automation(page, params):\n    raise RuntimeError('no such luck')\n",
    "api/forever.py": "async def automation(page, params):\n    while True: pass\n",
    "api/exits.py": "import os\nasync def automation(page, params):\n    os._exit(3)\n",
    "api/nan.py": "async def automation(page, params):\n    return {'a': [float('nan')]}\n",
    "api/aset.py": "async def automation(page, params):\n    return {'a': [{1}]}\n",
    "api/waits.py": "import asyncio\nasync def automation(page, params):\n    await asyncio.sleep(300)\n",
    "api/changes.py": (
        "import os\nasync def automation(page, params):\n"
        "    seen = os.environ.get('LEFT'), os.getcwd()\n"
        "    os.environ['LEFT'] = 'behind'\n    os.chdir('/')\n    return seen\n"
    ),
}


@pytest.fixture(scope="module", name="project")
def _project(server: RunwrightServer) -> str:
    deployed = server.deploy("main-job", PROJECT)
    assert deployed["status"] == "ready", deployed["error"]
    return "main-job"


def test_a_run_gives_its_result_on_both_mounts(server: RunwrightServer, project: str) -> None:
    body = json.dumps(
        {"api": "hello", "parameters": {"n": 42}, "retry": {"maximumAttempts": 3}}
    ).encode()

    for mount, status in (("api", 200), ("sdk", 201)):
        request = urllib.request.Request(  # the seed's curl call
            f"{server.url}/{mount}/v1/workspace/{server.workspace_id}/projects/{project}/run/start",
            data=body,
            headers={"Content-Type": "application/json", "x-api-key": server.api_key},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == status
            started = json.loads(answer.read())
        assert started["status"] == "pending"
        assert len(started["runId"]) == 21
        found = server.result(project, started["runId"])
        assert found["status"] == "completed"
        assert found["result"] == {"h1": "Hi", "n": 42, "count": 1}


def test_a_module_global_is_never_seen_by_the_next_attempt(
    server: RunwrightServer, project: str
) -> None:
    results = [server.run(project, "hello")["result"]["count"] for _ in range(5)]

    assert results == [1, 1, 1, 1, 1]


def test_environment_and_directory_of_one_attempt_are_never_seen_by_the_next(
    server: RunwrightServer, project: str
) -> None:
    results = [server.run(project, "changes")["result"] for _ in range(3)]

    assert [left for left, _ in results] == [None, None, None]
    assert len({directory for _, directory in results}) == 1


def test_a_raise_fails_the_run_with_the_authors_frame(
    server: RunwrightServer, project: str
) -> None:
    found = server.run(project, "broken", retry={"maximumAttempts": 2})

    assert found["status"] == "failed"
    assert found["error"]["code"] == "script-execution-exception"
    assert 'File "api/broken.py", line 2' in found["error"]["details"]["traceback"]
    assert len(server.detail(found["runId"])["attempts"]) == 2


def test_code_that_never_yields_is_timed_out_from_outside(tmp_path: Path) -> None:
    with serving(tmp_path / "data", RUNWRIGHT_CANCEL_GRACE="0.5") as server:
        server.deploy("p", PROJECT)

        found = server.run("p", "forever", requestTimeout=1)

        assert found["error"]["code"] == "script-timeout"
        assert server.run("p", "hello")["status"] == "completed"


def test_a_process_that_exits_fails_the_run_and_the_next_works(
    server: RunwrightServer, project: str
) -> None:
    found = server.run(project, "exits")

    assert found["error"]["code"] == "script-process-crashed"
    assert "exited with code 3" in found["message"]
    assert server.run(project, "hello")["status"] == "completed"


@pytest.mark.parametrize(
    ("api", "code", "path"),
    [
        ("nan", "script-no-valid-output-received", "result.a[0]"),
        ("aset", "script-execution-exception", "result.a[0]"),
    ],
)
def test_a_result_that_is_no_json_names_the_place(
    server: RunwrightServer, project: str, api: str, code: str, path: str
) -> None:
    found = server.run(project, api)

    assert found["error"]["code"] == code
    assert found["error"]["details"]["path"] == path


def test_a_started_run_is_canceled_on_request(server: RunwrightServer, project: str) -> None:
    run_id = server.start(project, "waits")
    eventually(lambda: server.detail(run_id)["status"] == "started")

    with server.client() as client:
        client.post(f"/projects/{project}/run/{run_id}/cancel")
    found = server.result(project, run_id)

    assert found["status"] == "canceled"
    assert found["reason"]["type"] == "cancelled-user-action"


def test_the_trace_and_the_log_lie_on_the_run(server: RunwrightServer, project: str) -> None:
    found = server.run(project, "hello")

    files = eventually(lambda: server.detail(found["runId"])["files"])
    with server.client() as client:
        content = client.get(
            f"/projects/{project}/run/{found['runId']}/files/{files[0]['id']}"
        ).content
        lines = client.get(f"/projects/{project}/run/{found['runId']}/logs").text
    assert "trace.trace" in zipfile.ZipFile(BytesIO(content)).namelist()
    assert json.loads(lines.splitlines()[0])["text"] == "hello from the author"


def test_a_broken_project_changes_nothing(server: RunwrightServer, project: str) -> None:
    deployed = server.deploy(project, {"api/hello.py": "import no_such_module\n"})

    assert deployed["status"] == "failed"
    assert "No module named 'no_such_module'" in deployed["error"]
    assert server.run(project, "hello")["status"] == "completed"


def test_after_kill_minus_nine_every_accepted_run_ends_and_nothing_is_left(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with serving(data_dir) as server:
        server.deploy("p", PROJECT)
        waiting = server.start("p", "waits")
        eventually(lambda: server.detail(waiting)["status"] == "started")
        # One of them may be on a Runner already: the lost attempt counts, so they have another.
        retry = {"maximumAttempts": 2}
        queued = [server.start("p", "hello", {"n": number}, retry=retry) for number in range(5)]
        assert runners_below(data_dir)
        server.process.kill()
        server.process.wait()
        eventually(lambda: not alive_below(data_dir), within=60)

    with serving(data_dir) as server:
        results = [server.result("p", run_id) for run_id in queued]
        lost = server.result("p", waiting)

        assert [found["status"] for found in results] == ["completed"] * 5
        assert lost["error"]["code"] == "script-process-crashed"
        runners = list((data_dir / "runners").iterdir())
        assert len(runners) == 1, "what the dead worker had is swept"


def test_sigterm_ends_with_zero_and_leaves_nothing(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with serving(data_dir) as server:
        server.deploy("p", PROJECT)
        server.run("p", "hello")
        assert runners_below(data_dir)
        family = psutil.Process(server.process.pid).children(recursive=True)
        server.process.send_signal(signal.SIGTERM)

        assert server.process.wait(timeout=60) == 0
        assert alive_below(data_dir) == []
        left = [each.pid for each in family if psutil.pid_exists(each.pid)]
        assert left == [], "not even a zombie"


def test_a_second_serve_on_one_directory_is_refused(server: RunwrightServer) -> None:
    second = subprocess.run(
        [
            sys.executable,
            "-m",
            "runwright.cli.main",
            "serve",
            "--data-dir",
            str(server.data_dir),
            "--port",
            "0",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert second.returncode == 2
    assert "is already using" in second.stderr
