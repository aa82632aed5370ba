"""Runs, their logs and traces, Deployments and keys on the command line."""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from helpers import command_line
from helpers.server import RunwrightServer, eventually

_PROJECT = {
    "api/says.py": (
        "async def automation(page, params):\n"
        "    for word in params['words']:\n        print(word)\n    return len(params['words'])\n"
    ),
    "api/waits.py": (
        "import asyncio, pathlib\nasync def automation(page, params):\n"
        "    print('before')\n"
        "    while not pathlib.Path(params['gate']).exists():\n        await asyncio.sleep(0.02)\n"
        "    print('after')\n"
    ),
}
_NAME = "run-commands"

Say = Callable[..., CompletedProcess[str]]


@pytest.fixture(name="say")
def _say(server: RunwrightServer, tmp_path: Path) -> Say:
    """Return what runs a command against the server, where the project is deployed."""
    assert server.deploy(_NAME, _PROJECT)["status"] == "ready"
    return lambda *words, **more: command_line.run(server, *words, cwd=tmp_path, **more)


def _lines(done: CompletedProcess[str]) -> list[str]:
    """Return what a log's lines say, without time and level."""
    assert done.returncode == 0, done.stderr
    return [line.split(maxsplit=2)[2] for line in done.stderr.splitlines() if line[:1].isdigit()]


def test_the_log_of_a_run_is_printed_whole_and_followed_to_its_end(
    server: RunwrightServer, say: Say, tmp_path: Path
) -> None:
    words = [f"word {number}" for number in range(2000)]
    said = server.run(_NAME, "says", {"words": words})["runId"]
    gate = tmp_path / "gate"
    waiting = server.start(_NAME, "waits", {"gate": str(gate)})
    with server.client() as client:
        path = f"/projects/{_NAME}/run/{waiting}/logs"
        eventually(lambda: "before" in client.get(path).text)

    so_far = say("logs", waiting)
    gate.touch()
    followed = say("logs", waiting, "-f")

    assert _lines(say("logs", said)) == words
    assert _lines(so_far) == ["before"]
    assert _lines(followed) == ["before", "after"]
    assert followed.stderr.splitlines()[-1] == "— completed"


def test_runs_are_listed_and_canceled(server: RunwrightServer, say: Say, tmp_path: Path) -> None:
    done = server.run(_NAME, "says", {"words": []})["runId"]
    going_on = server.start(_NAME, "waits", {"gate": str(tmp_path / "gate")})
    eventually(lambda: server.detail(going_on)["status"] == "started")

    listed = json.loads(say("runs", "list", _NAME, "--limit", "2", "--json").stdout)
    started = say("runs", "list", _NAME, "--status", "started").stdout
    canceled = say("runs", "cancel", going_on)

    assert [each["runId"] for each in listed] == [going_on, done]
    assert going_on in started
    assert done not in started
    assert canceled.returncode == 0, canceled.stderr
    assert server.result(_NAME, going_on)["status"] == "canceled"


def test_a_trace_is_downloaded_and_shown(server: RunwrightServer, say: Say, tmp_path: Path) -> None:
    run_id = server.run(_NAME, "says", {"words": []}, saveTrace=True)["runId"]
    eventually(lambda: server.detail(run_id)["files"])
    # Playwright's viewer, which would open a window, is started by this instead of Node.
    viewer = tmp_path / "viewer"
    viewer.write_text(
        f"#!{sys.executable}\nimport shutil, sys\n"
        f"shutil.copy(sys.argv[-1], {str(tmp_path / 'shown.zip')!r})\nprint(sys.argv[-2])\n"
    )
    viewer.chmod(0o755)

    downloaded = say("runs", "trace", run_id, "--output", "kept.zip")
    shown = say("trace", "open", run_id, PLAYWRIGHT_NODEJS_PATH=str(viewer))

    assert downloaded.returncode == 0, downloaded.stderr
    assert shown.returncode == 0, shown.stderr
    assert "show-trace" in shown.stdout
    for name in ("kept.zip", "shown.zip"):
        assert "trace.trace" in zipfile.ZipFile(tmp_path / name).namelist()


def test_a_run_without_a_trace_says_so(server: RunwrightServer, say: Say, tmp_path: Path) -> None:
    run_id = server.run(_NAME, "says", {"words": []}, saveTrace=False)["runId"]

    for words in (("runs", "trace"), ("trace", "open")):
        done = say(*words, run_id)
        assert (done.returncode, "has no trace" in done.stderr) == (1, True), done.stderr
    assert not (tmp_path / "trace.zip").exists()


def test_deployments_are_listed(server: RunwrightServer, say: Say) -> None:
    assert server.deploy("two-deployments", _PROJECT)["status"] == "ready"
    server.deploy("two-deployments", {"api/a.py": "1 +"})

    listed = json.loads(say("deployments", "list", "two-deployments", "--json").stdout)
    table = say("deployments", "list", "two-deployments").stdout

    assert [each["status"] for each in listed["deployments"]] == ["failed", "ready"]
    assert "failed" in table
    assert "ready" in table


def test_a_key_is_made_listed_and_revoked(server: RunwrightServer, say: Say) -> None:
    made = say("keys", "create", "--name", "of the shop", "--scope", "read")
    secret = made.stdout.strip()
    listed = {each["name"]: each for each in json.loads(say("keys", "list", "--json").stdout)}
    table = say("keys", "list").stdout

    def status(method: str, path: str) -> int:
        with server.client() as client:
            client.headers["x-api-key"] = secret
            return client.request(method, path, json={}).status_code

    before = status("GET", "/projects"), status("POST", "/prune")
    revoked = say("keys", "revoke", listed["of the shop"]["id"])
    after = status("GET", "/projects")

    assert made.returncode == 0, made.stderr
    assert listed["of the shop"]["scopes"] == ["read"]
    assert "of the shop" in table
    assert secret not in table
    assert before == (200, 403)
    assert revoked.returncode == 0, revoked.stderr
    assert after == 401


def test_the_secret_key_is_rotated_on_the_command_line(server: RunwrightServer, say: Say) -> None:
    say("vars", "set", "TOKEN", "abc", "--project", _NAME)

    done = say("keys", "rotate-secret")

    assert done.returncode == 0, done.stderr
    # Its own, and those that other tests of this server have left.
    assert int(done.stdout.split()[1]) >= 1
    read = "import os\nasync def automation(page, params):\n    return os.environ['TOKEN']\n"
    assert server.deploy(_NAME, {**_PROJECT, "api/read.py": read})["status"] == "ready"
    assert server.run(_NAME, "read")["result"] == "abc"
