"""The demo's target: Datasette, a real web application, with a real data set, on loopback."""

from __future__ import annotations

import csv
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

_START_SECONDS = 60


@contextmanager
def serving(directory: Path) -> Generator[str]:
    """Serve the airports of `vega_datasets` as the table `atlas/airports`; yield the table's address."""
    database = directory / "atlas.db"
    if not database.exists():
        _build(database)
    port = _free_port()
    log = directory / "site.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "datasette", "serve", str(database),
             "--port", str(port), "--setting", "sql_time_limit_ms", "5000"],
            stdout=out,
            stderr=out,
        )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(address, process, log)
        yield f"{address}/atlas/airports"
    finally:
        process.terminate()
        process.wait(timeout=20)


def _build(database: Path) -> None:
    source = resources.files("vega_datasets") / "_data" / "airports.csv"
    building = database.with_suffix(".building")
    building.unlink(missing_ok=True)
    with source.open(encoding="utf-8") as lines, sqlite3.connect(building) as connection:
        columns, *rows = csv.reader(lines)
        names = ", ".join(f'"{column}" TEXT' for column in columns)
        connection.execute(f"CREATE TABLE airports ({names}, PRIMARY KEY (iata))")
        marks = ", ".join("?" * len(columns))
        connection.executemany(f"INSERT INTO airports VALUES ({marks})", rows)  # noqa: S608
    connection.close()
    building.rename(database)


def _free_port() -> int:
    with socket.socket() as asking:
        asking.bind(("127.0.0.1", 0))
        return asking.getsockname()[1]


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    pause = threading.Event()
    while True:
        try:
            urllib.request.urlopen(f"{address}/-/versions.json", timeout=5).close()  # noqa: S310
        except (urllib.error.URLError, OSError):
            if process.poll() is not None or time.monotonic() > deadline:
                print(log.read_text(), file=sys.stderr)
                sys.exit("error: the demo's site did not start; what it said is above")
            pause.wait(0.05)
        else:
            return
