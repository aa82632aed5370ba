"""The main job from nothing: serve, deploy an example, start a Run over HTTP, show its result.

`--keep` leaves the server and the demo's site running until Ctrl-C. All of it is kept in `.runwright/demo`, or in a
temporary folder where that cannot be written; a second demo at the same time has a folder of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Generator
from pathlib import Path
from typing import Any

import site_of_demo
from rich.console import Console
from rich.table import Table

from runwright.cli import surroundings

_ROOT = Path(__file__).resolve().parent.parent
_RUNWRIGHT = str(Path(sys.executable).with_name("runwright"))
_SHOWN_ROWS = 12
_PARAMETERS = {"filters": {"state": "AK"}, "columns": ["iata", "name", "city"]}

# What answers here is on this machine, where no proxy of the environment leads.
urllib.request.install_opener(urllib.request.build_opener(urllib.request.ProxyHandler({})))
console = Console(highlight=False)


def main() -> None:
    """Run the demo."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--keep", action="store_true", help="keep serving until Ctrl-C")
    is_kept = arguments.parse_args().keep
    surroundings.mend()
    signal.signal(signal.SIGTERM, stop)
    began = time.monotonic()
    with (
        folder() as directory,
        site_of_demo.serving(directory) as table,
        serving(directory) as connection,
    ):
        say(f"A real web application is at {table}")
        say(f"Runwright is at {connection['url']}")
        deploy(connection, "table")
        found = run(connection, table)
        show(found, time.monotonic() - began)
        fetch_trace(connection, found["runId"], directory)
        say_next(directory, is_kept=is_kept)
        if is_kept:
            with contextlib.suppress(KeyboardInterrupt):
                signal.pause()
    say("Everything is stopped.")


def stop(_number: int, _frame: object) -> None:
    """End in good order, everything stopped."""
    sys.exit(143)


@contextlib.contextmanager
def folder() -> Generator[Path]:
    """Yield a folder that no other demo uses at the same time."""
    home = _ROOT / ".runwright"
    with contextlib.suppress(OSError):
        home.mkdir(exist_ok=True)
    if not os.access(home, os.W_OK):
        home = Path(tempfile.mkdtemp(prefix="runwright-demo-"))
        # Run by root, PostgreSQL's own user must be able to pass through.
        home.chmod(0o711)
    for name in ("demo", *(f"demo-{number}" for number in range(2, 100))):
        directory = home / name
        directory.mkdir(exist_ok=True)
        with (directory / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield directory
            return
    sys.exit("error: 99 demos are running")


@contextlib.contextmanager
def serving(directory: Path) -> Generator[dict[str, str]]:
    """Serve with a data directory of the demo's own until the block ends."""
    data_dir = directory / "data"
    log = directory / "runwright.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [_RUNWRIGHT, "serve", "--data-dir", str(data_dir), "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=out,
            text=True,
        )
    assert process.stdout is not None
    try:
        if "is ready" not in process.stdout.readline():
            sys.exit(f"error: Runwright did not start:\n{log.read_text()}")
        yield json.loads((data_dir / "connection.json").read_text())
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def deploy(connection: dict[str, str], name: str) -> None:
    """Deploy an example."""
    environment = {
        **os.environ,
        "RUNWRIGHT_SERVER": connection["url"],
        "RUNWRIGHT_WORKSPACE_ID": connection["workspace_id"],
        "RUNWRIGHT_API_KEY": connection["api_key"],
    }
    folder = str(_ROOT / "examples" / name)
    command = [_RUNWRIGHT, "deploy", folder, "--project", name]
    say(f"$ runwright deploy examples/{name} --project {name}")
    if subprocess.run(command, env=environment, check=False).returncode != 0:
        sys.exit(f"error: the example `{name}` did not deploy; the reason is above")


def run(connection: dict[str, str], table: str) -> dict[str, Any]:
    """Start a Run as the curl call does, follow it, and return its result."""
    body = {
        "api": "rows",
        "parameters": {"url": table, **_PARAMETERS},
        "retry": {"maximumAttempts": 3},
    }
    path = "projects/table/run/start"
    say(f"$ curl -X POST {address(connection, path)} \\")
    say("    -H 'content-type: application/json' -H \"x-api-key: $RUNWRIGHT_API_KEY\" \\")
    say(f"    -d '{json.dumps(body)}'")
    started = call(connection, path, body)
    say(f"  {json.dumps(started)}")
    run_id = started["runId"]
    with open_(connection, f"projects/table/run/{run_id}/events") as events:
        for line in events:
            if line.startswith(b"data: "):
                event = json.loads(line.removeprefix(b"data: "))
                say(f"  {event.get('status') or event['text']}")
    return call(connection, f"projects/table/run/{run_id}/result")


def show(found: dict[str, Any], seconds: float) -> None:
    """Print the result as a table."""
    if found["status"] != "completed":
        sys.exit(f"error: the run {found['status']}: {found.get('message')}")
    rows: list[dict[str, str]] = found["result"]["rows"]
    shown = Table(*rows[0], title=f"{len(rows)} rows from {found['result']['pages']} pages")
    for row in rows[:_SHOWN_ROWS]:
        shown.add_row(*row.values())
    console.print(shown)
    if len(rows) > _SHOWN_ROWS:
        say(f"… and {len(rows) - _SHOWN_ROWS} more.")
    say(f"From nothing to this result: {seconds:.1f} s.")


def fetch_trace(connection: dict[str, str], run_id: str, directory: Path) -> None:
    """Download the Run's trace."""
    deadline = time.monotonic() + 30
    while True:
        files = call(connection, f"runs/{run_id}")["files"]
        if files:
            break
        if time.monotonic() > deadline:
            sys.exit(f"error: the run has no trace after 30 s; see {directory}/runwright.log")
    path = files[0]["url"].partition(f"{connection['workspace_id']}/")[2]
    with open_(connection, path) as answer:
        (directory / "trace.zip").write_bytes(answer.read())


def say_next(directory: Path, *, is_kept: bool) -> None:
    """Tell what to try next."""
    shown = directory.relative_to(_ROOT) if directory.is_relative_to(_ROOT) else directory
    say(f"\nIts trace: {shown}/trace.zip")
    say(f"  .venv/bin/playwright show-trace {shown}/trace.zip")
    say("Try next:")
    if not is_kept:
        say("  .venv/bin/python scripts/demo.py --keep     the same, and goes on serving; then:")
    say(f"  export RUNWRIGHT_DATA_DIR={shown}/data")
    say("  .venv/bin/runwright runs list table")
    say("  .venv/bin/runwright deploy examples/download --project download")


def call(connection: dict[str, str], path: str, body: dict[str, Any] | None = None) -> Any:
    """Call the server and return the JSON of its answer."""
    with open_(connection, path, body) as answer:
        return json.loads(answer.read())


def open_(connection: dict[str, str], path: str, body: dict[str, Any] | None = None) -> Any:
    """Open an answer of the server."""
    request = urllib.request.Request(  # noqa: S310
        address(connection, path),
        data=None if body is None else json.dumps(body).encode(),
        headers={"x-api-key": connection["api_key"], "content-type": "application/json"},
    )
    return urllib.request.urlopen(request, timeout=120)  # noqa: S310


def address(connection: dict[str, str], path: str) -> str:
    """Return the address of a path in the demo's workspace."""
    return f"{connection['url']}/api/v1/workspace/{connection['workspace_id']}/{path}"


def say(text: str) -> None:
    """Print a line at once."""
    console.print(text, markup=False, soft_wrap=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Interrupted: everything is stopped.")
