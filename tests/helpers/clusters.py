"""Several processes: a dedicated PostgreSQL, with servers and Workers that share it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from helpers.server import alive_below, environment, line_of


@contextmanager
def postgresql(directory: Path) -> Generator[str]:
    """Run a PostgreSQL that outlives every server and worker of the test; yield its address."""
    program = (
        "import asyncio, pathlib, sys\nfrom runwright.storage.postgres import embedded\n"
        "async def main():\n"
        "    async with embedded.run(pathlib.Path(sys.argv[1])) as server:\n"
        "        print(server.url, flush=True)\n        await asyncio.to_thread(sys.stdin.read)\n"
        "asyncio.run(main())\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    try:
        yield line_of(process).strip()
    finally:
        process.stdin.close()
        process.wait(timeout=60)
        if process.stdout is not None:
            process.stdout.close()


def settings(directory: Path, url: str) -> dict[str, str]:
    """Return what every process of the installation in the directory is started with."""
    shared = directory / "shared"
    shared.mkdir(exist_ok=True)
    return {
        "RUNWRIGHT_DATABASE_URL": url,
        "RUNWRIGHT_BLOBS": f"file://{shared}",
        "RUNWRIGHT_SECRET_KEY": "one for all",
    }


@contextmanager
def worker(data_dir: Path, url: str, **more: str) -> Generator[subprocess.Popen[str]]:
    """Run a worker of its own in that data directory until the block ends."""
    log = data_dir.parent / f"{data_dir.name}.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "runwright", "worker", "--data-dir", str(data_dir)],
            stdout=subprocess.PIPE,
            stderr=out,
            text=True,
            env=environment(**settings(data_dir.parent, url), **more),
        )
    try:
        assert "is ready" in line_of(process), log.read_text()
        assert alive_below(data_dir)
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
        if process.stdout is not None:
            process.stdout.close()
