"""The server starts, and commands find it, however they were started; or they say what is wrong."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import command_line
from helpers.server import (
    RunwrightServer,
    alive_below,
    environment,
    line_of,
    serving,
    serving_within,
)

_PROJECT = {
    "api/text.py": "async def automation(page, params):\n    return 'größer 日本 😀 \\ud83d'\n"
}
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes namespaces")


def _refused(tmp_path: Path, *words: str, **variables: str) -> str:
    """Return what is said by a server that does not start."""
    done = command_line.run(
        None, "serve", "--data-dir", str(tmp_path / "data"), *words, cwd=tmp_path, **variables
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_server_does_not_depend_on_what_it_inherits(tmp_path: Path) -> None:
    # Standard input is closed, and that children end is ignored, as some supervisors have it; any file is open to all.
    within = ("sh", "-c", 'trap "" CHLD HUP PIPE; umask 000; exec "$@" <&-', "sh")
    meant_for_another_database = {
        "PGPORT": "1",
        "PGSSLMODE": "verify-full",
        "PGTARGETSESSIONATTRS": "read-only",
        "PGSERVICE": "none",
        "PGHOST": "192.0.2.1",
        "PGOPTIONS": "-c search_path=none",
    }
    data_dir = tmp_path / "data"
    data_dir.mkdir(mode=0o755)

    with serving_within(within, data_dir, **meant_for_another_database) as server:
        assert server.deploy("p", _PROJECT)["status"] == "ready"
        assert server.run("p", "text")["status"] == "completed"
        backup = command_line.run(
            server, "backup", str(tmp_path / "b.tar"), "--data-dir", str(data_dir), cwd=tmp_path,
            **meant_for_another_database,
        )  # fmt: skip

    assert backup.returncode == 0, backup.stderr
    assert alive_below(data_dir) == []
    opened = [
        path for path in data_dir.rglob("*")
        if path.is_relative_to(data_dir) and not path.is_symlink() and path.stat().st_mode & 0o022
    ]  # fmt: skip
    assert opened == []
    # What lies deeper is closed with the folders that lead to it.
    assert [path for path in data_dir.iterdir() if path.stat().st_mode & 0o044] == []
    secrets = [data_dir / name for name in ("connection.json", "secret.key")]
    assert [stat.S_IMODE(each.stat().st_mode) for each in secrets] == [0o600, 0o600]


def test_results_are_utf_8_through_a_pipe_whatever_the_locale(
    server: RunwrightServer, tmp_path: Path
) -> None:
    server.deploy("text", _PROJECT)
    variables = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    known = {
        "RUNWRIGHT_SERVER": server.url,
        "RUNWRIGHT_WORKSPACE_ID": server.workspace_id,
        "RUNWRIGHT_API_KEY": server.api_key,
    }

    done = subprocess.run(
        [Path(sys.executable).with_name("runwright"), "run", "text", "text"],
        env=environment(**known, **variables),
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )

    assert done.stdout.decode() == '"größer 日本 😀 \\ud83d"\n'


def test_what_cannot_be_listened_on_says_what_to_do(tmp_path: Path) -> None:
    assert "--port" in _refused(tmp_path, "--port", "99999")
    assert "not a port" in _refused(tmp_path, RUNWRIGHT_PORT="-1")
    assert "is empty" in _refused(tmp_path, "--host", "")
    assert "cannot be resolved" in _refused(tmp_path, "--host", "no.such.host.invalid")
    assert "no such address. Choose one with `--host`" in _refused(tmp_path, "--host", "192.0.2.1")


def test_too_few_files_are_refused_at_the_start(tmp_path: Path) -> None:
    limit = "import os, resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256)); os.execv(sys.argv[1], sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", limit, sys.executable, "-m", "runwright", "serve", "--port", "0",
         "--data-dir", tmp_path / "data"],
        env=environment(), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert done.returncode == 2
    assert "may open 256 files" in done.stderr
    assert "ulimit -n" in done.stderr


@pytest.mark.parametrize("host", ["localhost", "::", "::1", "[::1]", "0.0.0.0"])
def test_the_address_that_is_said_is_one_that_answers(host: str, tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--host", host) as server:
        done = command_line.run(server, "projects", "list", cwd=tmp_path)

    assert done.returncode == 0, done.stderr


@needs_root
def test_localhost_may_be_ipv6_alone(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("::1 localhost\n")
    script = f"mount --bind '{hosts}' /etc/hosts; exec \"$@\""
    within = ("unshare", "--mount", "sh", "-ec", script, "sh")

    with serving_within(within, tmp_path / "data", "--host", "localhost") as server:
        done = subprocess.run(
            [*within, sys.executable, "-m", "runwright", "projects", "list"],
            env=environment(RUNWRIGHT_DATA_DIR=str(tmp_path / "data")),
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert server.url.startswith("http://localhost:")
    assert done.returncode == 0, done.stderr


def test_a_command_goes_to_this_machine_past_any_proxy(
    tmp_path: Path, server: RunwrightServer
) -> None:
    for proxy in ("http://127.0.0.1:9", "socks5://127.0.0.1:9", "nonsense"):
        done = command_line.run(
            server, "projects", "list", cwd=tmp_path, HTTP_PROXY=proxy, ALL_PROXY=proxy, NO_PROXY=""
        )
        assert done.returncode == 0, done.stderr
    done = command_line.run(
        None, "projects", "list", cwd=tmp_path, ALL_PROXY="socks5://127.0.0.1:9", NO_PROXY="",
        RUNWRIGHT_SERVER="http://runwright.invalid", RUNWRIGHT_WORKSPACE_ID="w", RUNWRIGHT_API_KEY="k",
    )  # fmt: skip

    assert done.returncode == 2
    assert "NO_PROXY=runwright.invalid" in done.stderr


def test_a_hook_reaches_its_browser_past_a_proxy_of_the_projects_variables(tmp_path: Path) -> None:
    files = {
        "hooks/setup_context.py": (
            "async def setup_context(*, api_name, api_parameters, cdp_url):\n    return None\n"
        ),
        "api/stored.py": (
            "from runwright.sdk import persistent_store\n"
            "async def automation(page, params):\n"
            "    await persistent_store.set('k', 1)\n"
            "    return await persistent_store.get('k')\n"
        ),
    }
    with serving(tmp_path / "data") as server:
        assert server.deploy("p", files)["status"] == "ready"
        with server.client() as client:
            for name in ("HTTP_PROXY", "http_proxy"):
                path = f"/projects/p/variables/{name}"
                client.put(path, json={"value": "http://127.0.0.1:9"}).raise_for_status()
        deployed = server.deploy("p", files)
        found = server.run("p", "stored")

    assert deployed["status"] == "ready", deployed
    assert found.get("result") == 1, found


def test_a_doctor_says_of_a_server_that_is_gone_that_it_is(tmp_path: Path) -> None:
    with serving(tmp_path / "data"):
        pass

    done = command_line.run(None, "doctor", "--data-dir", str(tmp_path / "data"), cwd=tmp_path)

    assert "FAIL  server: cannot reach http://127.0.0.1:" in done.stdout
    assert "ok    driver: Playwright " in done.stdout
    assert "ok    PostgreSQL: postgres (PostgreSQL) 18" in done.stdout
    assert done.stderr == ""


def _fill(pipe: int) -> None:
    os.set_blocking(pipe, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(pipe, b"full\n" * 100)
    os.set_blocking(pipe, True)


def test_a_log_that_nobody_reads_holds_nothing_up(tmp_path: Path) -> None:
    read, write = os.pipe()
    data_dir = tmp_path / "data"
    command = [sys.executable, "-m", "runwright", "serve", "--port", "0", "--data-dir", data_dir]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=write, env=environment(), text=True
    ) as process:
        assert "is ready" in line_of(process)
        _fill(write)
        known = json.loads((data_dir / "connection.json").read_text())
        server = RunwrightServer(process=process, data_dir=data_dir, **known)
        # Each deployment that fails is a line of the log.
        statuses = [server.deploy("p", {"api/a.py": "1 +"})["status"] for _ in range(3)]
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=60)
    os.close(write)
    os.close(read)

    assert statuses == ["failed"] * 3
    assert code == 0
