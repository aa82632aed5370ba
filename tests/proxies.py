"""A real forwarding proxy on loopback that asks for credentials."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from support import eventually


@contextmanager
def serving(directory: Path, user: str, password: str) -> Generator[tuple[int, Path]]:
    """Proxy until the block ends; yield the port and the file with a line for each request."""
    port_file, log_file = directory / "proxy.port", directory / "proxy.log"
    process = subprocess.Popen(
        [
            sys.executable, "-m", "proxy", "--hostname", "127.0.0.1", "--port", "0",
            "--basic-auth", f"{user}:{password}", "--port-file", str(port_file),
            "--log-file", str(log_file), "--num-workers", "1", "--num-acceptors", "1",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        eventually(lambda: port_file.exists() and port_file.read_text().strip(), within=60)
        yield int(port_file.read_text().split()[0]), log_file
    finally:
        process.terminate()
        process.wait(timeout=20)
