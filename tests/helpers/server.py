"""Waiting for a condition, and a real server in a separate process."""

from __future__ import annotations

import asyncio
import http.server
import io
import json
import os
import signal
import ssl
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, AnyStr

import httpx2

from runwright.storage.postgres import cluster_homes

_READY_SECONDS = 180.0
_DEPLOY_SECONDS = 480.0
"""A Deployment's packages come over whatever line there is."""


def eventually(condition: Callable[[], Any], *, within: float = 60.0) -> Any:
    """Return what the condition gives as soon as it is truthy, or fail at the deadline."""
    deadline = time.monotonic() + within
    pause = threading.Event()
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not so within {within} s"
        pause.wait(0.02)
    return found


async def eventually_async(condition: Callable[[], Awaitable[Any]], *, within: float = 60.0) -> Any:
    """Return what the condition gives as soon as it is truthy, letting other tasks run meanwhile."""
    deadline = time.monotonic() + within
    while not (found := await condition()):
        assert time.monotonic() < deadline, f"not so within {within} s"
        await asyncio.sleep(0.02)
    return found


def line_of(process: subprocess.Popen[AnyStr], *, within: float = _READY_SECONDS) -> AnyStr:
    """Return the next line that a process prints, or fail at the deadline."""
    assert process.stdout is not None
    return line_from(process.stdout, within=within)


def line_from(stream: IO[AnyStr], *, within: float = _READY_SECONDS) -> AnyStr:
    """Return the next line of a stream, or fail at the deadline."""
    lines: list[AnyStr] = []
    reading = threading.Thread(target=lambda: lines.append(stream.readline()), daemon=True)
    reading.start()
    reading.join(within)
    assert lines, f"no line came within {within} s"
    return lines[0]


def environment(**more: str) -> dict[str, str]:
    """Return the environment of the tests with some variables more."""
    return {**os.environ, **more}


def pack(files: dict[str, str]) -> bytes:
    """Return a Bundle of the files."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return raw.getvalue()


@dataclass(frozen=True, kw_only=True)
class RunwrightServer:
    """A `runwright serve` in a process of its own."""

    process: subprocess.Popen[str]
    data_dir: Path
    url: str
    workspace_id: str
    api_key: str

    def client(self) -> httpx2.Client:
        """Return a client of the server's workspace."""
        base = f"{self.url}/api/v1/workspace/{self.workspace_id}"
        return httpx2.Client(base_url=base, headers={"x-api-key": self.api_key}, timeout=90)

    def deploy(self, project: str, files: dict[str, str]) -> dict[str, Any]:
        """Deploy the files and return the finished Deployment."""
        with self.client() as client:
            answer = client.post(
                f"/projects/{project}/deployments",
                content=pack(files),
                headers={"content-type": "application/gzip"},
            )
            assert answer.status_code == 202, answer.text
            found = answer.json()["deployment"]
            deadline = time.monotonic() + _DEPLOY_SECONDS
            while found["status"] not in ("ready", "failed"):
                assert time.monotonic() < deadline
                path = f"/projects/{project}/deployments/{found['id']}"
                found = client.get(path, params={"wait": 10, "seen": 1000}).json()["deployment"]
            return found

    def start(
        self, project: str, api: str, parameters: dict[str, Any] | None = None, **more: Any
    ) -> str:
        """Start a Run and return its id."""
        with self.client() as client:
            body = {"api": api, "parameters": parameters or {}, **more}
            answer = client.post(f"/projects/{project}/run/start", json=body)
            assert answer.status_code == 200, answer.text
            return answer.json()["runId"]

    def result(self, project: str, run_id: str, *, within: float = 120) -> dict[str, Any]:
        """Return the result of a Run once it is terminal."""
        deadline = time.monotonic() + within
        with self.client() as client:
            while True:
                found = client.get(
                    f"/projects/{project}/run/{run_id}/result", params={"wait": 5}
                ).json()
                if found["status"] in ("completed", "failed", "canceled"):
                    return found
                assert time.monotonic() < deadline, found

    def run(
        self, project: str, api: str, parameters: dict[str, Any] | None = None, **more: Any
    ) -> dict[str, Any]:
        """Carry out a Run and return its result."""
        return self.result(project, self.start(project, api, parameters, **more))

    def operate(
        self, project: str, what: str, body: dict[str, Any], *, within: float = 120
    ) -> dict[str, Any]:
        """Carry out an operation on an auth session (`create`, `ID/update`, `ID/validate`)."""
        operation_id = self.begin(project, what, body)
        return self.operation(project, what, operation_id, within=within)

    def begin(self, project: str, what: str, body: dict[str, Any]) -> str:
        """Begin an operation on an auth session and return its id."""
        path = f"/projects/{project}/auth-sessions/{what}"
        with self.client() as client:
            answer = client.post(f"{path}/start" if what.endswith("validate") else path, json=body)
            assert answer.status_code == 201, answer.text
            return answer.json()["operationId"]

    def operation(
        self, project: str, what: str, operation_id: str, *, within: float = 120
    ) -> dict[str, Any]:
        """Return the result of an operation once it is over."""
        path = f"/projects/{project}/auth-sessions/{what}/{operation_id}/result"
        deadline = time.monotonic() + within
        with self.client() as client:
            while True:
                found = client.get(path, params={"wait": 5}).json()
                if found["status"] in ("done", "failed", "canceled"):
                    return found
                assert time.monotonic() < deadline, found

    def sessions(self, project: str) -> dict[str, str]:
        """Return the auth sessions of a project and how they stand."""
        with self.client() as client:
            found = client.get(f"/projects/{project}/auth-sessions").json()
        return {each["id"]: each["status"] for each in found}

    def detail(self, run_id: str) -> dict[str, Any]:
        """Return everything about a Run."""
        with self.client() as client:
            return client.get(f"/runs/{run_id}").json()


@contextmanager
def serving(data_dir: Path, *options: str, **settings: str) -> Generator[RunwrightServer]:
    """Serve on the directory until the block ends."""
    with serving_within((), data_dir, *options, **settings) as server:
        yield server


@contextmanager
def serving_within(
    within: tuple[str, ...], data_dir: Path, *options: str, **settings: str
) -> Generator[RunwrightServer]:
    """Serve on the directory until the block ends; `within` is a command that becomes the server."""
    command = [
        *within,
        sys.executable,
        "-m",
        "runwright.cli.main",
        "serve",
        "--data-dir",
        str(data_dir),
        "--port",
        "0",
        *options,
    ]
    with (data_dir.parent / f"{data_dir.name}.log").open("a") as log:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=environment(**settings),
        )
    try:
        line = line_of(process)
        log_text = (data_dir.parent / f"{data_dir.name}.log").read_text()
        assert "is ready" in line, log_text
        seen = data_dir / "connection.json"
        if within and not seen.exists():
            # It lies on a mount of the command's own.
            seen = Path(f"/proc/{process.pid}/root{seen}")
        connection = json.loads(seen.read_text())
        # Who looks for what is left must be able to see it while it is there.
        assert alive_below(data_dir)
        yield RunwrightServer(process=process, data_dir=data_dir, **connection)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
        if process.stdout is not None:
            process.stdout.close()


def alive_below(data_dir: Path) -> list[str]:
    """Return the command lines of processes that belong to the data directory.

    Some close their environment to all but root, and name the directory in their command line.
    """
    mark = str(data_dir).encode()
    found: list[str] = []
    for entry in Path("/proc").glob("[0-9]*"):
        if int(entry.name) == os.getpid():
            continue
        command = bytes_of(entry / "cmdline")
        if mark not in command and mark not in bytes_of(entry / "environ"):
            continue
        state = bytes_of(entry / "stat").rpartition(b")")[2].split()
        if state and state[0] != b"Z":
            found.append(command.replace(b"\0", b" ").decode()[:200])
    return found


def runners_below(data_dir: Path) -> list[str]:
    """Return the command lines of the Runners that belong to the data directory."""
    return [each for each in alive_below(data_dir) if "runwright.runner.main" in each]


def bytes_of(file: Path) -> bytes:
    """Return what a file holds; nothing of one that is gone or closed to us."""
    try:
        return file.read_bytes()
    except OSError:
        return b""


def files_of(data_dir: Path) -> list[Path]:
    """Return the files of a data directory and its logs, and of its cluster wherever that lies."""
    home = cluster_homes.home(data_dir / "postgresql")
    assert home is not None, f"{data_dir} has no cluster"
    folders = {data_dir.parent, home}
    return sorted({each for folder in folders for each in folder.rglob("*") if each.is_file()})


def files_holding(data_dir: Path, *texts: str) -> list[Path]:
    """Return those of a data directory's files that hold one of the texts, the database's own too."""
    found: list[Path] = []
    for file in files_of(data_dir):
        content = bytes_of(file)
        if any(text.encode() in content for text in texts):
            found.append(file)
    return found


@contextmanager
def answering(
    handler: type[http.server.BaseHTTPRequestHandler], tls: ssl.SSLContext | None = None
) -> Generator[str]:
    """Answer HTTP, or HTTPS, on a free port of loopback until the block ends; yield the address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if tls is not None:
        # Hands are shaken by the thread of each connection.
        server.socket = tls.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        scheme = "http" if tls is None else "https"
        yield f"{scheme}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
