"""Who may show a Run to its viewers: the Worker that was asked, once, and only that Run."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from helpers import clusters, viewers
from helpers.server import RunwrightServer, eventually, serving
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from runwright.adapters.vault import Vault

_PROJECT = {"api/a.py": "async def automation(page, params):\n    return 1\n"}


@pytest.fixture(name="installation")
def _installation(tmp_path: Path) -> Generator[tuple[RunwrightServer, str]]:
    """Yield a server that no Worker shows anything to, and its database: Runs wait."""
    with clusters.postgresql(tmp_path / "pg") as url:
        settings = clusters.settings(tmp_path, url)
        with serving(tmp_path / "data", "--no-worker", **settings) as server:
            with clusters.worker(tmp_path / "worker", url):
                assert server.deploy("p", _PROJECT)["status"] == "ready"
            yield server, url


def test_a_run_is_shown_by_who_proves_that_it_was_asked_for_it_and_once(
    installation: tuple[RunwrightServer, str],
) -> None:
    server, url = installation
    vault = Vault(clusters.settings(server.data_dir.parent, url)["RUNWRIGHT_SECRET_KEY"])
    run_ids = [server.start("p", "a") for _ in range(2)]

    def take() -> tuple[str, ClientConnection] | None:
        """Take the request for the first Run; it is another every few seconds."""
        asked = _requests(url)
        if not set(run_ids) <= set(asked):
            return None
        mine, other = (asked[run_id] for run_id in run_ids)
        for wrong in ("", "wrong", vault.sign(f"live-dial:{other}"), vault.sign(f"live:{mine}")):
            assert _dial(server, mine, wrong) is None
        shown = _dial(server, mine, vault.sign(f"live-dial:{mine}"))
        return None if shown is None else (mine, shown)

    with (
        viewers.watching(server, "p", run_ids[0]) as first,
        viewers.watching(server, "p", run_ids[1]) as second,
    ):
        request_id, shown = eventually(take)
        with shown:
            shown.send(json.dumps({"type": "state", "mark": "shown"}))
            seen = first.until(lambda: first.state)
            assert _dial(server, request_id, vault.sign(f"live-dial:{request_id}")) is None
            second.take(wait=1)

    assert seen["mark"] == "shown"
    assert second.state == {}


def _requests(url: str) -> dict[str, str]:
    """Return the ids of the requests that wait for a Worker, by Run."""

    async def ask() -> dict[str, str]:
        connection: Any = await asyncpg.connect(url)
        try:
            rows = await connection.fetch("SELECT id, run_id FROM live_requests")
            return {row["run_id"]: row["id"] for row in rows}
        finally:
            await connection.close()

    return asyncio.run(ask())


def _dial(server: RunwrightServer, request_id: str, proof: str) -> ClientConnection | None:
    """Connect as a Worker does; None when the server refuses."""
    address = f"ws{server.url.removeprefix('http')}/internal/live/{request_id}"
    with contextlib.suppress(InvalidStatus):
        return connect(address, additional_headers={"authorization": f"Bearer {proof}"}, proxy=None)
    return None
