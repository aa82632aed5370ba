"""Runwright beside what people use instead, with the same automation on the same machine in the same run.

`make bench-peers`. Each peer lives in an environment of its own, made here; none is a dependency of ours.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import bare
import httpx2
import peer_programs
import psutil
import served
from rich.console import Console
from rich.table import Table
from uv import find_uv_bin

from runwright import config
from runwright.execution.runners import browsers, reaper
from runwright.storage.postgres import embedded

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from outside import pages

_PAGE = "<!doctype html><title>Bench</title><h1>Hello</h1>" + "<p>Some text.</p>" * 50
_CLIENTS = (1, 2, 4)
_POLL_SECONDS = 0.01
_PATIENCE_SECONDS = 120
_SPACING_SECONDS = 0.3
_AUTOMATION = """\
import time
async def automation(page, params):
    began = time.time()
    await page.goto(params["url"])
    return {"began": began, "heading": await page.inner_text("h1")}
"""
console = Console(highlight=False, width=150)

Request = Callable[[], Awaitable[float]]
"""Carries the automation out once; returns when its first line ran, by the machine's clock."""


@dataclass(kw_only=True)
class Peer:
    """Something that carries the automation out."""

    name: str
    request: Request
    processes: list[int]
    """Whose trees hold its memory and use its processor time."""
    survives: str
    """What a kill -9 of its worker in the middle of a job leaves of the job."""
    spawned: bool = False
    """The benchmark itself starts its processes."""


@dataclass(kw_only=True)
class Bench:
    """What all peers share."""

    directory: Path
    executable: str
    url: str
    stack: AsyncExitStack
    rows: list[list[str]] = field(default_factory=list[list[str]])

    def environment(self, name: str, *packages: str) -> Path:
        """Make an environment with Playwright of our version and the packages; return its Python."""
        home = self.directory / name
        uv = find_uv_bin()
        subprocess.run([uv, "venv", "-q", "--python", sys.executable, str(home)], check=True)
        wanted = [f"playwright=={version('playwright')}", *packages]
        python = home / "bin" / "python"
        subprocess.run([uv, "pip", "install", "-q", "--python", str(python), *wanted], check=True)
        (home / "script.py").write_text(peer_programs.SCRIPT)
        return python

    async def start(
        self, python: Path, program: str, text: str, *arguments: str, **more: str
    ) -> int:
        """Start a program in its environment's folder, and return when it says that it is ready."""
        home = python.parent.parent
        (home / program).write_text(text)
        process = await asyncio.create_subprocess_exec(
            str(python),
            program,
            *arguments,
            cwd=home,
            stdout=asyncio.subprocess.PIPE,
            stderr=(home / f"{program}.log").open("ab"),
            env={**os.environ, **more},
        )
        self.stack.push_async_callback(_end, process)
        assert process.stdout is not None
        async with asyncio.timeout(_PATIENCE_SECONDS):
            line = await process.stdout.readline()
        if b"ready" not in line:
            sys.exit((home / f"{program}.log").read_text())
        return process.pid


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--without", action="append", default=[], help="leave a peer out")
    options = parser.parse_args()
    executable = browsers.find(config.read()).executable(is_shell=True)
    console.print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {executable}")
    with tempfile.TemporaryDirectory() as directory, pages.serving({"/": _PAGE}) as url:
        Path(directory).chmod(0o755)
        asyncio.run(_measure(Path(directory), executable, f"{url}/", options))


async def _measure(directory: Path, executable: str, url: str, options: Any) -> None:
    shown = Table(
        "",
        "request → author's code",
        "request → result p50 / p90",
        *(f"/s at {clients}" for clients in _CLIENTS),
        "MiB",
        "CPU s each",
        "of a job that kill -9 hit",
    )
    for name, make in _PEERS.items():
        if name in options.without:
            continue
        async with AsyncExitStack() as stack:
            bench = Bench(directory=directory, executable=executable, url=url, stack=stack)
            peer = await make(bench)
            row = await _row(peer, options.rounds, options.seconds)
            shown.add_row(*row)
            console.print(" | ".join(row))
    console.print(shown)


async def _row(peer: Peer, rounds: int, seconds: float) -> list[str]:
    for _ in range(3):
        await peer.request()
    to_author: list[float] = []
    to_result: list[float] = []
    for _ in range(rounds):
        await asyncio.sleep(_SPACING_SECONDS)
        clock, began = time.time(), time.perf_counter()
        at = await peer.request()
        to_result.append((time.perf_counter() - began) * 1000)
        to_author.append((at - clock) * 1000)
    memory = _memory(peer)
    # What a peer starts because of the load is there before it is timed; a browser's start counts for none.
    await _throughput(peer, max(_CLIENTS), seconds)
    rates: list[str] = []
    cpu, done = _cpu(peer), 0
    for clients in _CLIENTS:
        count, rate = await _throughput(peer, clients, seconds)
        done += count
        rates.append(f"{rate:.2f}")
    each = (_cpu(peer) - cpu) / done
    quantiles = statistics.quantiles(to_result, n=10)
    return [
        peer.name,
        f"{statistics.median(to_author):.0f} ms",
        f"{statistics.median(to_result):.0f} / {quantiles[-1]:.0f} ms",
        *rates,
        f"{memory / 2**20:.0f}",
        f"{each:.2f}",
        peer.survives,
    ]


async def _throughput(peer: Peer, clients: int, seconds: float) -> tuple[int, float]:
    done = 0
    deadline = time.perf_counter() + seconds

    async def loop() -> None:
        nonlocal done
        while time.perf_counter() < deadline:
            await peer.request()
            done += 1

    began = time.perf_counter()
    await asyncio.gather(*(loop() for _ in range(clients)))
    return done, done / (time.perf_counter() - began)


async def _bare(bench: Bench) -> Peer:
    browser = await bench.stack.enter_async_context(
        bare.launched(bench.executable, sandbox=not config.is_root())
    )

    async def request() -> float:
        at = time.time()
        await bare.iterate(browser, bench.url, trace=False)
        return at

    # Its context and page belong to the iteration, so the author's code begins with the request.
    return Peer(name="bare warm loop", request=request, processes=[os.getpid()], survives="nothing")


async def _fresh(bench: Bench) -> Peer:
    python = bench.environment("fresh")

    async def request() -> float:
        process = await asyncio.create_subprocess_exec(
            str(python),
            str(python.parent.parent / "script.py"),
            bench.url,
            bench.executable,
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await process.communicate()
        return json.loads(said)["began"]

    return Peer(
        name="python script.py",
        request=request,
        processes=[os.getpid()],
        survives="nothing",
        spawned=True,
    )


async def _spawner(bench: Bench) -> Peer:
    port = _free_port()
    pid = await bench.start(
        bench.environment("spawner"), "spawner.py", peer_programs.SPAWNER, str(port)
    )
    client = await bench.stack.enter_async_context(
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60)
    )

    async def request() -> float:
        job = (await client.post("/", json=[bench.url, bench.executable])).text

        async def look() -> str:
            return (await client.get(f"/{job}")).text

        return json.loads(await _until(look))["began"]

    return Peer(name="a process for each job", request=request, processes=[pid], survives="nothing")


async def _procrastinate(bench: Bench) -> Peer:
    server = await bench.stack.enter_async_context(embedded.run(bench.directory / "pg"))
    python = bench.environment("procrastinate", "procrastinate", "psycopg[binary,pool]")
    port = str(_free_port())
    text, program = peer_programs.PROCRASTINATE, "tasks.py"
    served_by = await bench.start(
        python, program, text, "serve", server.url, bench.executable, port
    )
    worked_by = await bench.start(python, program, text, "work", server.url, bench.executable)

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: object) -> str:
        writer.write(json.dumps(body).encode() + b"\n")
        found = (await reader.readline()).decode().strip()
        return "" if found == "{}" else found

    async def request() -> float:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
        key = uuid.uuid4().hex
        await ask(reader, writer, {"key": key, "url": bench.url})
        found = await _until(lambda: ask(reader, writer, {"key": key}))
        writer.close()
        return json.loads(found)["began"]

    return Peer(
        name="Procrastinate, warm browser",
        request=request,
        processes=[served_by, worked_by, server.pid],
        survives="stays `doing` until somebody's own code retries it",
    )


async def _prefect(bench: Bench) -> Peer:
    python = bench.environment("prefect", "prefect")
    home = python.parent.parent
    port = _free_port()
    environment = {
        **os.environ,
        "PREFECT_HOME": str(home / "home"),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_LOGGING_LEVEL": "ERROR",
        "PREFECT_RUNNER_POLL_FREQUENCY": "1",
        "DO_NOT_TRACK": "1",
    }
    (home / "flows.py").write_text(peer_programs.PREFECT)
    commands = (
        [str(home / "bin/prefect"), "server", "start", "--port", str(port), "--no-ui"],
        [str(python), "flows.py"],
    )
    pids: list[int] = []
    found = ""
    client = await bench.stack.enter_async_context(
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}/api", timeout=60)
    )
    for command, path in zip(commands, ("/health", "/deployments/name/heading/bench"), strict=True):
        with (home / "log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command, cwd=home, env=environment, stdout=log, stderr=log
            )
        bench.stack.push_async_callback(_end, process)
        pids.append(process.pid)
        found = await _until(lambda path=path: _try_get(client, path))
    deployment = json.loads(found)["id"]

    async def request() -> float:
        target = home / uuid.uuid4().hex
        body = {
            "parameters": {
                "url": bench.url,
                "executable": bench.executable,
                "target": str(target),
            },
            "state": {"type": "SCHEDULED"},
        }
        path = f"/deployments/{deployment}/create_flow_run"

        async def create() -> str:
            # Its database is locked now and then when the machine is busy; it says so with a 503.
            answer = await client.post(path, json=body)
            return answer.text if answer.is_success else ""

        await _until(create)

        async def look() -> str:
            return target.read_text() if target.exists() else ""

        return json.loads(await _until(look))["began"]

    return Peer(
        name="Prefect, served flow",
        request=request,
        processes=pids,
        survives="stays `Running` until somebody cancels it",
    )


async def _runwright(bench: Bench) -> Peer:
    server = await bench.stack.enter_async_context(_serving(bench.directory / "runwright"))
    await served.deploy(server, "peers", **{"api/heading.py": _AUTOMATION})
    client = await bench.stack.enter_async_context(server.client())

    async def request() -> float:
        body = {"api": "heading", "parameters": {"url": bench.url}, "saveTrace": False}
        answer = await client.post("/projects/peers/run/start", json=body)
        path = f"/projects/peers/run/{answer.json()['runId']}/result"
        while True:
            found = (await client.get(path, params={"wait": 30})).json()
            if found["status"] in ("completed", "failed", "canceled"):
                return found["result"]["began"]

    return Peer(
        name="Runwright",
        request=request,
        processes=[server.pid],
        survives="taken up again within 10 s, the lost attempt counted",
    )


_PEERS: dict[str, Callable[[Bench], Awaitable[Peer]]] = {
    "bare": _bare,
    "fresh": _fresh,
    "spawner": _spawner,
    "procrastinate": _procrastinate,
    "runwright": _runwright,
    "prefect": _prefect,
}


@asynccontextmanager
async def _serving(directory: Path) -> AsyncGenerator[served.Server]:
    with served.serving(directory) as server:
        yield server


async def _until(look: Callable[[], Awaitable[str]]) -> str:
    """Look until there is something."""
    async with asyncio.timeout(_PATIENCE_SECONDS):
        found = await look()
        while not found:
            await asyncio.sleep(_POLL_SECONDS)
            found = await look()
        return found


async def _try_get(client: httpx2.AsyncClient, path: str) -> str:
    try:
        answer = await client.get(path)
    except httpx2.TransportError:
        return ""
    return answer.text if answer.is_success else ""


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill a program and all below it."""
    for each in reversed(reaper.processes(process.pid)):
        each.kill()
    await process.wait()


def _below(peer: Peer) -> list[psutil.Process]:
    found = {each.pid: each for pid in peer.processes for each in reaper.processes(pid)}
    return list(found.values())


def _memory(peer: Peer) -> int:
    """Return the proportional memory of what is there between two requests."""
    own = os.getpid()
    total = 0
    for each in _below(peer):
        if each.pid != own:
            try:
                total += each.memory_full_info().pss
            except psutil.Error:
                continue
    return total


def _cpu(peer: Peer) -> float:
    """Return the processor seconds of its processes, and of those that they have waited for."""
    total = 0.0
    for each in _below(peer):
        try:
            total += sum(each.cpu_times()[:4])
        except psutil.Error:
            continue
    return total


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


if __name__ == "__main__":
    main()
