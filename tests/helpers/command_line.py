"""The command line as a person uses it: in a separate process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from helpers.server import RunwrightServer, environment


def run(
    server: RunwrightServer | None, *words: str, cwd: Path, typed: str | None = None, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run `runwright` with those words, against that server if there is one."""
    known = {}
    if server is not None:
        known = {
            "RUNWRIGHT_SERVER": server.url,
            "RUNWRIGHT_WORKSPACE_ID": server.workspace_id,
            "RUNWRIGHT_API_KEY": server.api_key,
        }
    return subprocess.run(
        [str(Path(sys.executable).with_name("runwright")), *words],
        cwd=cwd,
        env=environment(**known, **more),
        input=typed,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
