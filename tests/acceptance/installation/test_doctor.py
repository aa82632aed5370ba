"""`runwright doctor` on a healthy machine, and on one with problems."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from helpers import command_line
from helpers.server import RunwrightServer


def _states(text: str) -> dict[str, Any]:
    return {each["name"]: each for each in json.loads(text)}


def test_a_machine_that_is_well_carries_out_a_run(server: RunwrightServer, tmp_path: Path) -> None:
    done = command_line.run(
        server, "doctor", "--run", "--json", "--data-dir", str(server.data_dir), cwd=tmp_path
    )

    found = _states(done.stdout)
    assert done.returncode == 0, done.stdout
    assert {"data directory", "memory", "headless shell", "fonts", "database", "clock"} <= set(
        found
    )
    assert [found[name]["state"] for name in ("server", "run", "database", "clock")] == ["ok"] * 4
    assert "up to date" in found["database"]["message"]


def test_what_is_wrong_is_named_with_what_to_do(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho 'no usable sandbox' >&2\nexit 1\n")
    broken.chmod(0o755)

    done = command_line.run(
        None,
        "doctor",
        "--data-dir",
        str(tmp_path / "none"),
        cwd=tmp_path,
        RUNWRIGHT_CHROMIUM=str(broken),
        RUNWRIGHT_CHROMIUM_SHELL=str(broken),
        RUNWRIGHT_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none",
        RUNWRIGHT_MIN_FREE_BYTES=str(2**60),
    )

    assert done.returncode == 1
    for name in ("data directory", "Chromium", "headless shell", "database"):
        assert f"FAIL  {name}" in done.stdout
    assert "user namespaces" in done.stdout
    assert "-> free up space" in done.stdout


def test_a_database_that_is_gone_is_no_new_one(tmp_path: Path) -> None:
    pointer = tmp_path / "data" / "postgresql" / "cluster-is-in"
    pointer.parent.mkdir(parents=True)
    pointer.write_text("/nowhere/at/all\n")

    done = command_line.run(None, "doctor", "--data-dir", str(tmp_path / "data"), cwd=tmp_path)

    assert done.returncode == 1
    assert "FAIL  database: it was in /nowhere/at/all, which is gone" in done.stdout
