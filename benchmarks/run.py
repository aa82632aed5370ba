"""Runwright beside a bare warm Playwright loop, alternating on the same machine in the same run.

`make bench` prints medians, p99 and ratios. `--quick` takes fewer samples.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import bare
import psutil
import served
import sessions
from playwright.async_api import Browser
from rich.console import Console
from rich.table import Table

from runwright import config
from runwright.execution.runners import browsers

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from outside import pages

_PAGE = "<!doctype html><title>Bench</title><h1>Hello</h1>" + "<p>Some text.</p>" * 50
_SPACING_SECONDS = 0.4
_CLIENTS = (1, 2, 4)
console = Console(highlight=False, width=110)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    executable = browsers.find(config.read()).executable(is_shell=True)
    memory = psutil.virtual_memory().total // 2**30
    console.print(
        f"{platform.platform()}, {os.cpu_count()} cores, {memory} GiB, Python "
        f"{platform.python_version()}, {executable}, load {os.getloadavg()[0]:.2f}"
    )
    with tempfile.TemporaryDirectory() as directory, pages.serving({"/": _PAGE}) as url:
        Path(directory).chmod(0o755)
        with served.serving(Path(directory) / "data") as server:
            asyncio.run(_measure(server, executable, f"{url}/", rounds=20 if quick else 100))


async def _measure(server: served.Server, executable: str, url: str, *, rounds: int) -> None:
    await served.deploy(server)
    async with bare.launched(executable, sandbox=not config.is_root()) as browser:
        for trace in (False, True):
            await _latency(
                server, browser, url, rounds=rounds, trace=trace, spacing=_SPACING_SECONDS
            )
            await _latency(server, browser, url, rounds=rounds, trace=trace, spacing=0)
        console.print(await sessions.measure(server, browser, url, rounds=rounds))
        for trace in (False, True):
            await _throughput(server, browser, url, seconds=rounds / 12, trace=trace)
    held = [size / 2**20 for size in served.runner_bytes(server)]
    console.print(
        f"idle warm Runners, each with driver and browser (PSS): {', '.join(f'{size:.0f} MiB' for size in held)}"
    )


async def _latency(
    server: served.Server, browser: Browser, url: str, *, rounds: int, trace: bool, spacing: float
) -> None:
    loops: list[float] = []
    runs: list[served.Timing] = []
    async with server.client() as client:
        for _ in range(5):
            await bare.iterate(browser, url, trace=trace)
            await served.timed(client, url, trace=trace)
        for _ in range(rounds):
            await asyncio.sleep(spacing)
            loops.append(await bare.iterate(browser, url, trace=trace))
            await asyncio.sleep(spacing)
            runs.append(await served.timed(client, url, trace=trace))
            if not spacing:
                # Back to back: the second of two has no idle Runner prepared by a pause.
                runs[-1] = await served.timed(client, url, trace=trace)
    name = "spaced" if spacing else "back to back"
    shown = Table(
        "ms",
        "p50",
        "p90",
        "p99",
        "p50 / bare p50",
        title=f"{name}, traces {'on' if trace else 'off'}, {rounds} each",
    )
    middle = statistics.median(loops)
    for label, values in (
        ("bare iteration", loops),
        ("request → author's code", [each.to_author for each in runs]),
        ("request → result", [each.to_result for each in runs]),
    ):
        ratio = statistics.median(values) / middle
        shown.add_row(
            label, *(f"{_at(values, share):.1f}" for share in (50, 90, 99)), f"{ratio:.2f}"
        )
    console.print(shown)


async def _throughput(
    server: served.Server, browser: Browser, url: str, *, seconds: float, trace: bool
) -> None:
    shown = Table(
        "clients",
        "bare /s",
        "Runwright /s",
        "ratio",
        title=f"throughput, traces {'on' if trace else 'off'}",
    )
    # What the load has it start is there before it is timed; the bare loop's browser is too.
    await served.throughput(server, url, clients=max(_CLIENTS), seconds=seconds, trace=trace)
    for clients in _CLIENTS:
        loops: list[float] = []
        runs: list[float] = []
        for _ in range(3):
            loops.append(
                await bare.throughput(browser, url, loops=clients, seconds=seconds, trace=trace)
            )
            runs.append(
                await served.throughput(server, url, clients=clients, seconds=seconds, trace=trace)
            )
        ours, theirs = statistics.median(runs), statistics.median(loops)
        shown.add_row(str(clients), f"{theirs:.2f}", f"{ours:.2f}", f"{ours / theirs:.2f}")
    console.print(shown)


def _at(values: Sequence[float], share: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) * share // 100, len(ordered) - 1)]


if __name__ == "__main__":
    began = time.monotonic()
    main()
    console.print(f"measured in {time.monotonic() - began:.0f} s")
