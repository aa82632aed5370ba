"""No Attempt sees anything of the previous one, and every crash is reported."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest
from helpers.server import RunwrightServer, eventually, serving

_REPORT = (
    "import asyncio, os, pathlib, sys, threading\n"
    "def name_of_child(pid):\n"
    "    try:\n        status = pathlib.Path(f'/proc/{pid}/stat').read_text()\n"
    "    except OSError:\n        return None\n"
    "    name, _, rest = status.partition('(')[2].rpartition(') ')\n"
    "    return name if rest.split()[1] == str(os.getpid()) else None\n"
    "def report():\n"
    "    return {\n"
    "        'pid': os.getpid(),\n"
    "        'threads': sorted(t.name for t in threading.enumerate() if 'left' in t.name),\n"
    "        'tasks': sorted(t.get_name() for t in asyncio.all_tasks() if 'left' in t.get_name()),\n"
    "        'environment': os.environ.get('LEFT'),\n"
    "        'path': '/left' in sys.path,\n"
    "        'directory': os.getcwd() == os.environ.get('HOME'),\n"
    "        'children': [pid for pid in os.listdir('/proc') if name_of_child(pid) == 'sleep'],\n"
    "    }\n"
)
_CLEAN = {
    "threads": [],
    "tasks": [],
    "environment": None,
    "path": False,
    "directory": False,
    "children": [],
}
PROJECT = {
    "report.py": _REPORT,
    "api/looks.py": (
        "from report import report\nasync def automation(page, params):\n    return report()\n"
    ),
    "api/thread.py": (
        "import threading\nasync def automation(page, params):\n"
        "    threading.Thread(target=threading.Event().wait, name='left', daemon=True).start()\n"
    ),
    "api/task.py": (
        "import asyncio\nasync def automation(page, params):\n"
        "    asyncio.create_task(asyncio.sleep(300), name='left')\n"
    ),
    "api/stubborn.py": (
        "import asyncio\n"
        "async def stay():\n"
        "    while True:\n"
        "        try:\n            await asyncio.sleep(300)\n"
        "        except asyncio.CancelledError:\n            pass\n"
        "async def automation(page, params):\n"
        "    asyncio.create_task(stay(), name='left')\n"
    ),
    "api/path.py": (
        "import os, sys\nasync def automation(page, params):\n"
        "    sys.path.append('/left')\n    os.environ['LEFT'] = '1'\n    os.chdir(os.environ['HOME'])\n"
    ),
    "api/child.py": (
        "import subprocess\nasync def automation(page, params):\n"
        "    return subprocess.Popen(['sleep', '300'], start_new_session=True).pid\n"
    ),
    "api/segfault.py": (
        "import ctypes\nasync def automation(page, params):\n    ctypes.string_at(0)\n"
    ),
    "api/greedy.py": (
        "import asyncio\nasync def automation(page, params):\n"
        "    held = []\n"
        "    while True:\n"
        "        held.append(bytearray(20_000_000))\n        await asyncio.sleep(0.005)\n"
    ),
    "api/waits.py": (
        "import os\nasync def automation(page, params):\n"
        "    print(os.getpid())\n    await page.wait_for_timeout(60_000)\n"
    ),
    "api/sleeps.py": "import time\nasync def automation(page, params):\n    time.sleep(10_000)\n",
    "api/quits.py": "import sys\nasync def automation(page, params):\n    sys.exit(0)\n",
    "api/hears.py": "import os\nasync def automation(page, params):\n    return dict(os.environ)\n",
    "api/noise.py": (
        "import os, subprocess, sys\nasync def automation(page, params):\n"
        "    os.write(1, b'raw out\\n')\n    subprocess.run(['echo', 'from a child'])\n"
        "    print('x' * 100_000)\n    print('nul \\0 and \\udcff')\n"
        "    sys.stderr.write('no end')\n"
    ),
}


@pytest.fixture(scope="module", name="project")
def _project(server: RunwrightServer) -> str:
    deployed = server.deploy("isolation", PROJECT)
    assert deployed["status"] == "ready", deployed["error"]
    return "isolation"


@pytest.mark.parametrize("api", ["thread", "task", "stubborn", "path", "child"])
def test_what_one_attempt_leaves_is_never_seen_by_the_next(
    server: RunwrightServer, project: str, api: str
) -> None:
    # As many as there are Runners, so that each has had one.
    for _ in range(6):
        assert server.run(project, api)["status"] == "completed"

    found = [server.run(project, "looks")["result"] for _ in range(6)]

    for each in found:
        assert {name: each[name] for name in _CLEAN} == _CLEAN


def test_a_child_process_dies_with_its_runner(server: RunwrightServer, project: str) -> None:
    pid = server.run(project, "child")["result"]

    eventually(lambda: not psutil.pid_exists(pid))


@pytest.mark.parametrize(("api", "said"), [("segfault", "SIGSEGV"), ("greedy", "MiB of memory")])
def test_a_crash_says_what_it_was_and_the_next_run_works(
    tmp_path: Path, api: str, said: str
) -> None:
    with serving(tmp_path / "data", RUNWRIGHT_RUNNER_MEMORY_BYTES=str(500 * 2**20)) as server:
        server.deploy("p", PROJECT)

        found = server.run("p", api)

        assert found["error"]["code"] == "script-process-crashed"
        assert said in found["message"]
        assert server.run("p", "looks")["status"] == "completed"


def _tree(server: RunwrightServer, project: str) -> tuple[str, list[psutil.Process]]:
    run_id = server.start(project, "waits")

    def printed() -> str:
        with server.client() as client:
            return client.get(f"/projects/{project}/run/{run_id}/logs").json()["text"]

    def try_printed() -> Any:
        try:
            return printed()
        except ValueError:
            return None

    pid = int(eventually(try_printed))
    return run_id, psutil.Process(pid).children(recursive=True)


@pytest.mark.parametrize(
    ("victim", "said"), [("--remote-debugging-pipe", "browser"), ("run-driver", "driver")]
)
def test_a_killed_browser_or_driver_fails_the_run_and_the_next_works(
    server: RunwrightServer, project: str, victim: str, said: str
) -> None:
    run_id, tree = _tree(server, project)
    found = [
        each
        for each in tree
        if victim in " ".join(each.cmdline())
        and "--type=" not in " ".join(each.cmdline())
        and not each.exe().endswith("sh")  # Debian wraps its browsers in a script
    ]

    os.kill(found[0].pid, signal.SIGKILL)
    result = server.result(project, run_id)

    assert result["error"]["code"] == "script-process-crashed"
    assert said in result["message"]
    assert server.run(project, "looks")["status"] == "completed"


def test_a_killed_interpreter_fails_the_run_and_the_next_works(
    server: RunwrightServer, project: str
) -> None:
    run_id, tree = _tree(server, project)
    parent = tree[0].ppid()

    os.kill(parent, signal.SIGKILL)
    result = server.result(project, run_id)

    assert result["error"]["code"] == "script-process-crashed"
    assert "SIGKILL" in result["message"]
    eventually(lambda: not any(each.is_running() for each in tree))


def test_code_that_sleeps_in_the_kernel_is_timed_out(tmp_path: Path) -> None:
    with serving(tmp_path / "data", RUNWRIGHT_CANCEL_GRACE="0.5") as server:
        server.deploy("p", PROJECT)

        assert server.run("p", "sleeps", requestTimeout=1)["error"]["code"] == "script-timeout"


def test_sys_exit_is_a_failure_of_the_author(server: RunwrightServer, project: str) -> None:
    found = server.run(project, "quits")

    assert found["error"]["code"] == "script-execution-exception"
    assert found["error"]["details"]["type"] == "SystemExit"


def test_the_environment_holds_nothing_of_the_platforms(tmp_path: Path) -> None:
    secret = "s3cr3t-of-the-operator"
    with serving(tmp_path / "data", RUNWRIGHT_SECRET_KEY=secret, AWS_SECRET=secret) as server:
        server.deploy("p", PROJECT)

        found = server.run("p", "hears")["result"]

        assert secret not in str(found)
        assert not [name for name in found if name.startswith(("RUNWRIGHT_", "PG", "AWS_"))]


def test_every_kind_of_output_is_in_the_log(server: RunwrightServer, project: str) -> None:
    run_id = server.run(project, "noise")["runId"]

    def lines() -> list[str]:
        with server.client() as client:
            text = client.get(f"/projects/{project}/run/{run_id}/logs").text
        found = [line for line in text.splitlines() if line]
        return found if "no end" in text and "from a child" in text else []

    text = "\n".join(eventually(lines))
    assert "raw out" in text
    assert "characters cut" in text or text.count("x" * 30_000) >= 3
    assert "nul" in text


def test_isolation_process_gives_every_attempt_its_own(server: RunwrightServer) -> None:
    settings = '[tool.runwright]\nisolation = "process"\n'
    server.deploy("alone", {**PROJECT, "pyproject.toml": settings})

    pids = [server.run("alone", "looks")["result"]["pid"] for _ in range(4)]

    assert len(set(pids)) == 4
