"""A process killed while it examines the machine leaves no browser and no profile."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from helpers import clusters
from helpers.server import alive_below, environment, eventually


def test_killed_while_it_looks_at_the_browsers_it_leaves_nothing(tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir(mode=0o755)
    hanging = tmp_path / "chromium"
    hanging.write_text('#!/bin/sh\ntouch "$HOME/here"\nexec sleep 600\n')
    hanging.chmod(0o755)
    browsers = {"RUNWRIGHT_CHROMIUM": str(hanging), "RUNWRIGHT_CHROMIUM_SHELL": str(hanging)}
    command = [sys.executable, "-m", "runwright", "doctor", "--data-dir", str(tmp_path / "none")]
    looking = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        env=environment(TMPDIR=str(temporary), **browsers),
    )
    eventually(lambda: list(temporary.glob("*/here")), within=60)

    assert alive_below(temporary)
    looking.kill()
    looking.wait()

    eventually(lambda: not alive_below(temporary))
    with (
        clusters.postgresql(tmp_path / "pg") as url,
        clusters.worker(tmp_path / "worker", url, TMPDIR=str(temporary)),
    ):
        assert not list(temporary.glob("*/here"))
