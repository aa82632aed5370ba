"""Retention and the disk quota, as an operator sees them."""

from __future__ import annotations

import json
import os
from pathlib import Path

from helpers import command_line
from helpers.server import RunwrightServer, eventually, serving

from runwright.execution.flows import housekeeping

_SAVES = (
    "import os\nfrom runwright.sdk import save_file\n\n"
    "async def automation(page, params):\n"
    "    await save_file(os.urandom(params['bytes']), 'noise.bin')\n"
)
_BY_HAND = {"RUNWRIGHT_PRUNE_HOUR": "off"}
_MEGABYTE = 1024 * 1024


def _files(server: RunwrightServer, run_id: str) -> int:
    return len(server.detail(run_id)["files"])


def test_the_ceiling_is_kept_and_pruning_by_hand_counts_and_removes(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with serving(data_dir, **_BY_HAND) as server:
        server.deploy("p", {"api/a.py": _SAVES})
        ids = [server.start("p", "a", {"bytes": 4 * _MEGABYTE}, saveTrace=False) for _ in range(4)]
        for run_id in ids:
            server.result("p", run_id)
            eventually(lambda run_id=run_id: _files(server, run_id) == 1)

    ceiling = housekeeping.used_bytes(data_dir) - 2 * _MEGABYTE
    with serving(data_dir, RUNWRIGHT_MAX_DATA_BYTES=str(ceiling), **_BY_HAND) as server:
        eventually(lambda: _files(server, ids[0]) == 0)
        assert _files(server, ids[-1]) == 1

        assert server.run("p", "a", {"bytes": 1})["status"] == "completed"
        _prune_by_hand(server, tmp_path)
    assert "ceiling_kept" in (tmp_path / "data.log").read_text()


def _prune_by_hand(server: RunwrightServer, tmp_path: Path) -> None:
    lost = server.data_dir / "blobs" / "runs" / "nobody" / "1" / "knows"
    lost.parent.mkdir(parents=True)
    lost.write_bytes(b"x" * 2048)
    os.utime(lost, (1, 1))

    counted = command_line.run(server, "prune", "--dry-run", cwd=tmp_path)
    assert lost.exists()
    removed = command_line.run(server, "prune", "--json", cwd=tmp_path)

    assert "orphans" in counted.stdout
    assert "2.0 KiB" in counted.stdout
    found = {each["kind"]: each for each in json.loads(removed.stdout)["removed"]}
    assert (found["orphans"]["count"], found["orphans"]["bytes"]) == (1, 2048)
    assert not lost.exists()
