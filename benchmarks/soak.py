"""A thousand Runs through one Worker: what grows, and what is left behind.

`make soak` prints a line every hundred Runs and what each Run adds, by least squares over the second half.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from helpers import clusters
from helpers.server import RunwrightServer, alive_below, serving
from outside import pages

_CLIENTS = 4
_EVERY = 25
_SHOWN_EVERY = 100
_PROJECT = {
    "api/page.py": (
        "async def automation(page, params):\n    await page.goto(params['url'])\n"
        "    return await page.inner_text('h1')\n"
    ),
    "api/fails.py": "async def automation(page, params):\n    raise ValueError('as it should')\n",
    "api/large.py": "async def automation(page, params):\n    return 'x' * 500_000\n",
    "api/download.py": (
        "async def automation(page, params):\n"
        '    await page.set_content(\'<a download="a.txt" href="data:text/plain,x">get</a>\')\n'
        "    async with page.expect_download() as download:\n        await page.click('a')\n"
        "    await (await download.value).path()\n    return 'done'\n"
    ),
}
# Of twenty Runs: what most do, and a little of what leaves something behind if anything does.
_KINDS = ["page"] * 15 + ["download"] * 2 + ["large"] * 2 + ["fails"]
console = Console(highlight=False, width=120)


@dataclass(frozen=True, kw_only=True)
class Look:
    """One look at the processes."""

    runs: int
    server_bytes: int
    worker_bytes: int
    """Of the process alone, shared pages left out; Runners come and go."""
    server_files: int
    worker_files: int
    """Open file descriptors."""
    below: int
    """Processes below the Worker."""
    zombies: int


def main() -> None:
    """Carry out the Runs and tell what grew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        temporary = directory / "tmp"
        temporary.mkdir()
        os.environ["TMPDIR"] = str(temporary)
        with (
            clusters.postgresql(directory / "pg") as url,
            pages.serving({"/": "<!doctype html><h1>Hello</h1>"}) as page_url,
            serving(
                directory / "data", "--no-worker", **clusters.settings(directory, url)
            ) as server,
        ):
            with clusters.worker(directory / "worker", url, RUNWRIGHT_SLOTS="2") as worker:
                server.deploy("p", _PROJECT)
                began = time.monotonic()
                looks = _soak(server, worker.pid, f"{page_url}/", runs)
                seconds = time.monotonic() - began
            left = [*(directory / "worker" / "runners").glob("*"), *temporary.glob("rw-*")]
            alive = alive_below(directory / "worker")
    _tell(looks, seconds)
    console.print(f"left behind: {len(left)} folders, {len(alive)} processes")
    sys.exit(1 if left or alive else 0)


def _soak(server: RunwrightServer, worker_pid: int, url: str, runs: int) -> list[Look]:
    numbers = itertools.count()
    done = 0
    looks: list[Look] = []
    lock = threading.Lock()

    def client() -> None:
        nonlocal done
        while (number := next(numbers)) < runs:
            api = _KINDS[number % len(_KINDS)]
            server.run("p", api, {"url": url}, saveTrace=number % 10 == 0)
            with lock:
                done += 1
                if done % _EVERY == 0:
                    looks.append(_look(done, server.process.pid, worker_pid))
                    if done % _SHOWN_EVERY == 0:
                        console.print(_line(looks[-1]))

    threads = [threading.Thread(target=client) for _ in range(_CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return looks


def _look(runs: int, server_pid: int, worker_pid: int) -> Look:
    server, worker = psutil.Process(server_pid), psutil.Process(worker_pid)
    below: list[Any] = worker.children(recursive=True)
    return Look(
        runs=runs,
        server_bytes=server.memory_full_info().uss,
        worker_bytes=worker.memory_full_info().uss,
        server_files=server.num_fds(),
        worker_files=worker.num_fds(),
        below=len(below),
        zombies=sum(_is_zombie(each) for each in below),
    )


def _is_zombie(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _line(look: Look) -> str:
    return (
        f"{look.runs} runs: server {look.server_bytes / 2**20:.1f} MiB, {look.server_files} files;"
        f" worker {look.worker_bytes / 2**20:.1f} MiB, {look.worker_files} files,"
        f" {look.below} processes below, {look.zombies} zombies"
    )


def _tell(looks: list[Look], seconds: float) -> None:
    half = looks[len(looks) // 2 :] if len(looks) > 3 else looks  # noqa: PLR2004 - of a short trial
    at = [look.runs for look in half]
    for name, values in (
        ("server, KiB a Run", [look.server_bytes / 1024 for look in half]),
        ("worker, KiB a Run", [look.worker_bytes / 1024 for look in half]),
        ("server, files a Run", [look.server_files for look in half]),
        ("worker, files a Run", [look.worker_files for look in half]),
    ):
        console.print(f"{name}: {statistics.linear_regression(at, values).slope:+.3f}")
    console.print(f"most zombies at a look: {max(look.zombies for look in looks)}")
    console.print(f"{looks[-1].runs} runs in {seconds:.0f} s")


if __name__ == "__main__":
    main()
