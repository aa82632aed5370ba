"""What authors' code and other users of the machine can and cannot access."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import psutil
import pytest
from helpers import clusters, places
from helpers.server import RunwrightServer, eventually, files_of, serving

from runwright.storage.postgres import dump

_SECRET, _PASSWORD = "a-secret-key-of-the-platform", "pr0xy-passw0rd"
_PROJECT = {
    "api/waits.py": (
        "import asyncio, os, pathlib\n"
        "async def automation(page, params):\n"
        "    print('reached')\n"
        "    while not pathlib.Path(params['go']).exists():\n        await asyncio.sleep(0.05)\n"
        "    return dict(os.environ)\n"
    ),
    "api/peeks.py": (
        "import os, pathlib\n"
        "async def automation(page, params):\n"
        "    found = {}\n"
        "    os.kill(os.getppid(), 0)\n"
        "    for name in ('environ', 'mem', 'maps', 'fd'):\n"
        "        path = pathlib.Path(f'/proc/{os.getppid()}/{name}')\n"
        "        try:\n"
        "            found[name] = bool(os.listdir(path) if path.is_dir() else path.read_bytes())\n"
        "        except OSError as error:\n"
        "            found[name] = type(error).__name__\n"
        "    return found\n"
    ),
}
_AS_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
_ROOT = Path(__file__).resolve().parents[2]
_needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None,
    reason="only root can become another user, with `setpriv`",
)


def _tree(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def test_no_process_below_a_worker_holds_more_than_its_own(tmp_path: Path) -> None:
    with (
        clusters.postgresql(tmp_path / "pg") as url,
        serving(
            tmp_path / "data",
            **clusters.settings(tmp_path, url) | {"RUNWRIGHT_SECRET_KEY": _SECRET},
            AWS_SECRET_ACCESS_KEY="of-the-operator",
        ) as server,
    ):
        with server.client() as client:
            for project in ("ours", "theirs"):
                server.deploy(project, _PROJECT)
                value = {"value": f"only-{project}-value"}
                client.put(f"/projects/{project}/variables/TOKEN", json=value)
        run_id = server.start(
            "ours",
            "waits",
            {"go": str(tmp_path / "go"), "password": "in-the-parameters"},
            proxy=f"http://user:{_PASSWORD}@127.0.0.1:9",
        )
        _until_reached(server, "ours", run_id)
        seen = {each: _shown(each) for each in _tree(server.process.pid)}
        (tmp_path / "go").touch()
        inside = json.dumps(server.result("ours", run_id)["result"])

    kinds = " ".join(text for text in seen.values())
    assert "runwright.runner.main" in kinds
    assert "run-driver" in kinds
    for never in (_SECRET, url, server.api_key, "of-the-operator"):
        assert never not in inside
        assert not [each for each, text in seen.items() if never in text]
    for never in (_PASSWORD, "in-the-parameters"):
        assert not [each for each, text in seen.items() if never in text]
    holders = [text for text in seen.values() if "only-ours-value" in text]
    assert not [text for text in holders if "only-theirs-value" in text]
    assert "only-theirs-value" not in inside
    assert "only-ours-value" in inside


def _shown(process: psutil.Process) -> str:
    """What `/proc` shows of a process to its own user."""
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline()) + str(process.environ())
    return ""


def _until_reached(server: RunwrightServer, project: str, run_id: str) -> None:
    with server.client() as client:
        path = f"/projects/{project}/run/{run_id}/logs"
        eventually(lambda: "reached" in client.get(path).text, within=60)


@_needs_root
def test_another_user_of_the_machine_can_read_nothing(
    server: RunwrightServer, tmp_path: Path
) -> None:
    server.deploy("readable", {"api/a.py": "async def automation(page, params):\n    return 1\n"})
    assert server.run("readable", "a")["status"] == "completed"
    open_to_all = tmp_path / "open"
    open_to_all.touch(mode=0o644)
    # The test's own folders block the path to the files: open them for this check.
    inside = [each for each in files_of(server.data_dir) if server.data_dir in each.parents]
    outside = [each for each in files_of(server.data_dir) if "pg_wal" in each.parts]

    with _opened(*server.data_dir.parents, *tmp_path.parents, tmp_path):
        found = _readable_by_nobody([*inside, *outside, open_to_all])

    assert {"connection.json", "secret.key"} <= {each.name for each in inside}
    assert outside
    assert found == [open_to_all]


@contextlib.contextmanager
def _opened(*folders: Path) -> Generator[None]:
    """Make the folders traversable for everyone until the block ends."""
    modes = {each: each.stat().st_mode & 0o7777 for each in folders}
    try:
        for each, mode in modes.items():
            each.chmod(mode | 0o055)
        yield
    finally:
        for each, mode in modes.items():
            each.chmod(mode)


def _readable_by_nobody(files: list[Path]) -> list[Path]:
    """The files that the user `nobody` can read."""
    program = (
        "import os, sys\n"
        "for path in sys.stdin.read().split('\\0'):\n"
        "    if os.access(path, os.R_OK): print(path)\n"
    )
    found = subprocess.run(
        [*_AS_NOBODY, "env", "python3", "-c", program],
        input="\0".join(map(str, files)),
        capture_output=True,
        text=True,
        check=True,
    )
    return [Path(line) for line in found.stdout.splitlines()]


@pytest.fixture(scope="module", name="installed")
def _installed(tmp_path_factory: pytest.TempPathFactory) -> Generator[places.Installed]:
    """Install Runwright for an unprivileged user that exists on every machine and owns nothing."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    folder = Path(tempfile.mkdtemp(prefix="nobody-"))
    try:
        wheel = places.make_wheel(tmp_path_factory.mktemp("wheel"))
        person = places.Person(user=pwd.getpwnam("nobody"), variables={"HOME": str(folder)})
        yield places.install(folder, person, wheel)
    finally:
        places.forget(folder)


@pytest.fixture(scope="module", name="unprivileged")
def _unprivileged(installed: places.Installed) -> Generator[RunwrightServer]:
    """Run the server as that user."""
    with installed.serving() as server:
        yield server


def test_the_sandbox_of_chromium_is_on_where_we_are_not_root(unprivileged: RunwrightServer) -> None:
    assert unprivileged.deploy("p", _PROJECT)["error"] is None
    go = unprivileged.data_dir / "go"
    run_id = unprivileged.start("p", "waits", {"go": str(go)})
    _until_reached(unprivileged, "p", run_id)
    browsers = [each for each in _tree(unprivileged.process.pid) if "--type=" in _command(each)]
    renderers = [each for each in browsers if "--type=renderer" in _command(each)]
    sandboxed = [_is_sandboxed(each.pid) for each in renderers]
    commands = [_command(each) for each in _tree(unprivileged.process.pid)]
    go.touch()
    assert unprivileged.result("p", run_id)["status"] == "completed"

    assert renderers
    assert not [each for each in commands if "--no-sandbox" in each]
    if not _has_user_namespaces():
        pytest.skip(
            "this kernel gives unprivileged users no namespaces, so Chromium has no sandbox"
        )
    assert all(sandboxed)


def test_authors_code_cannot_look_into_the_worker(unprivileged: RunwrightServer) -> None:
    assert unprivileged.deploy("p", _PROJECT)["error"] is None

    found = unprivileged.run("p", "peeks")["result"]

    assert set(found) == {"environ", "mem", "maps", "fd"}
    # Where /proc hides other users' processes, it hides this one too, although it exists.
    assert set(found.values()) in ({"PermissionError"}, {"FileNotFoundError"})


def test_what_an_unprivileged_user_keeps_is_closed_to_all_others(
    unprivileged: RunwrightServer,
) -> None:
    assert unprivileged.deploy("p", _PROJECT)["error"] is None
    kept = [unprivileged.data_dir, *unprivileged.data_dir.rglob("*")]

    modes = {each: stat.S_IMODE(each.lstat().st_mode) for each in kept if not each.is_symlink()}

    assert modes[unprivileged.data_dir] == 0o700
    for name in ("connection.json", "secret.key"):
        assert modes[unprivileged.data_dir / name] == 0o600
    # Inside folders that are closed themselves.
    assert [each for each, mode in modes.items() if mode & 0o022] == []


def test_that_the_sandbox_is_off_is_said_as_root_and_to_nobody_else(
    server: RunwrightServer, unprivileged: RunwrightServer
) -> None:
    said = (server.data_dir.parent / f"{server.data_dir.name}.log").read_text()
    log = (unprivileged.data_dir.parent / "serve.log").read_text()

    warning = "running as root, so Chromium's own sandbox is off"
    assert (warning in said, warning in log) == (True, False)


def test_a_worker_of_its_own_is_closed_to_authors_code_too(
    installed: places.Installed, unprivileged: RunwrightServer
) -> None:
    sockets = unprivileged.data_dir / "postgresql"
    with installed.working(asyncio.run(_database_url(sockets))) as worker:
        asked = [
            subprocess.run(
                [*_AS_NOBODY, "cat", f"/proc/{pid}/environ"], capture_output=True, check=False
            )
            for pid in (worker.pid, _runner_of(unprivileged).pid)
        ]

    # The same user can read this of a process that is not protected.
    assert [each.returncode == 0 for each in asked] == [False, True]
    assert b"ermission denied" in asked[0].stderr


async def _database_url(directory: Path) -> str:
    async with dump.reach(directory) as url:
        return url


def _runner_of(server: RunwrightServer) -> psutil.Process:
    """A Runner of the server, once there is one."""
    assert server.deploy("p", _PROJECT)["error"] is None

    def look() -> psutil.Process | None:
        return next((each for each in _tree(server.process.pid) if _is_runner(each)), None)

    return eventually(look)


def _is_runner(process: psutil.Process) -> bool:
    return "runwright.runner.main" in _command(process)


def _command(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def _is_sandboxed(pid: int) -> bool:
    """True when a renderer has its system calls filtered and its own namespaces."""
    status = Path(f"/proc/{pid}/status").read_text()
    is_filtered = re.search(r"^Seccomp:\t2$", status, re.MULTILINE) is not None
    namespaces: list[Any] = [
        Path(f"/proc/{each}/ns/{kind}").readlink()
        for each in (pid, os.getpid())
        for kind in ("user", "net")
    ]
    return is_filtered and namespaces[:2] != namespaces[2:]


def _has_user_namespaces() -> bool:
    command = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "unshare",
        "-U",
        "true",
    ]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
