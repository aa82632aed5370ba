"""The same automation through Runwright over HTTP."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
import psutil

_AUTOMATION = """\
async def automation(page, params):
    await page.goto(params["url"])
    return await page.inner_text("h1")
"""


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running `runwright serve`."""

    pid: int
    base: str
    api_key: str

    def client(self) -> httpx2.AsyncClient:
        """Return a client of its workspace."""
        return httpx2.AsyncClient(
            base_url=self.base, headers={"x-api-key": self.api_key}, timeout=60
        )


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Milliseconds of one Run."""

    to_author: float
    """From sending the request to the first line of the author's code, by the machine's clock."""
    to_result: float
    """From sending the request to holding the result."""


@contextmanager
def serving(data_dir: Path) -> Generator[Server]:
    """Serve until the block ends."""
    command = [
        sys.executable,
        "-m",
        "runwright",
        "serve",
        "--data-dir",
        str(data_dir),
        "--port",
        "0",
    ]
    with (data_dir.parent / "serve.log").open("w") as log:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, "RUNWRIGHT_RETRY_DELAY": "0"},
        )
    assert process.stdout is not None
    try:
        if b"is ready" not in process.stdout.readline():
            sys.exit((data_dir.parent / "serve.log").read_text())
        known = json.loads((data_dir / "connection.json").read_text())
        base = f"{known['url']}/api/v1/workspace/{known['workspace_id']}"
        yield Server(pid=process.pid, base=base, api_key=known["api_key"])
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


async def deploy(server: Server, project: str = "bench", **more: str) -> None:
    """Deploy the automation, with more files by path."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as archive:
        for name, text in {"api/heading.py": _AUTOMATION, **more}.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    async with server.client() as client:
        answer = await client.post(
            f"/projects/{project}/deployments",
            content=raw.getvalue(),
            headers={"content-type": "application/gzip"},
        )
        found = answer.json()["deployment"]
        while found["status"] not in ("ready", "failed"):
            path = f"/projects/{project}/deployments/{found['id']}"
            found = (await client.get(path, params={"wait": 10, "seen": 99})).json()["deployment"]
        if found["status"] == "failed":
            sys.exit(found["error"])


async def run(
    client: httpx2.AsyncClient, url: str, *, trace: bool, project: str = "bench", **more: object
) -> str:
    """Start a Run, wait for its result, and return its id."""
    body = {"api": "heading", "parameters": {"url": url}, "saveTrace": trace, **more}
    run_id = (await client.post(f"/projects/{project}/run/start", json=body)).json()["runId"]
    while True:
        path = f"/projects/{project}/run/{run_id}/result"
        found: dict[str, Any] = (await client.get(path, params={"wait": 30})).json()
        if found["status"] == "completed":
            return run_id
        if found["status"] in ("failed", "canceled"):
            sys.exit(f"error: a run of the benchmark {found['status']}: {found}")


async def timed(client: httpx2.AsyncClient, url: str, *, trace: bool) -> Timing:
    """Carry out one Run and return how long it took."""
    clock = time.time()
    began = time.perf_counter()
    run_id = await run(client, url, trace=trace)
    to_result = (time.perf_counter() - began) * 1000
    detail = (await client.get(f"/projects/bench/run/{run_id}")).json()
    at = datetime.fromisoformat(detail["attempts"][0]["authorStartedAt"]).timestamp()
    return Timing(to_author=(at - clock) * 1000, to_result=to_result)


async def throughput(
    server: Server, url: str, *, clients: int, seconds: float, trace: bool
) -> float:
    """Return Runs per second of so many clients, each starting one when it holds the last's result."""
    done = 0
    deadline = time.perf_counter() + seconds

    async def loop() -> None:
        nonlocal done
        async with server.client() as client:
            while time.perf_counter() < deadline:
                await run(client, url, trace=trace)
                done += 1

    began = time.perf_counter()
    await asyncio.gather(*(loop() for _ in range(clients)))
    return done / (time.perf_counter() - began)


def runner_bytes(server: Server) -> list[int]:
    """Return the proportional memory of each idle Runner with its driver and browser."""
    found: list[int] = []
    for child in psutil.Process(server.pid).children():
        if "runwright.runner.main" in " ".join(child.cmdline()):
            tree = [child, *child.children(recursive=True)]
            found.append(sum(each.memory_full_info().pss for each in tree))
    return found
