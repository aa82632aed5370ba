"""A bucket that is down or refuses: what needs it waits or says so, and nothing else is held up."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from helpers import command_line, many
from helpers.server import RunwrightServer, eventually, pack, serving
from outside import doors
from outside.doors import Door

_PROJECT = {
    "api/quick.py": (
        "async def automation(page, params):\n"
        "    await page.goto('data:text/html,<h1>here</h1>')\n    return params['n']\n"
    )
}


@pytest.fixture(name="bucket")
def _bucket() -> Generator[tuple[Door, dict[str, str]]]:
    """Yield the door to a bucket, and the settings that lead through it."""
    with ExitStack() as stack:
        settings = stack.enter_context(many.bucket())
        door = stack.enter_context(doors.to(settings["AWS_ENDPOINT_URL"]))
        yield door, {**settings, "AWS_ENDPOINT_URL": door.url}


def _get(server: RunwrightServer, path: str) -> httpx2.Response:
    with server.client() as client:
        return client.get(f"{server.url}{path}")


def _deploy(server: RunwrightServer) -> httpx2.Response:
    with server.client() as client:
        return client.post(
            "/projects/q/deployments",
            content=pack({**_PROJECT, "other.py": ""}),
            headers={"content-type": "application/gzip"},
        )


def _trace(server: RunwrightServer, run_id: str) -> dict[str, Any]:
    return eventually(lambda: server.detail(run_id)["files"])[0]


def _log(server: RunwrightServer, run_id: str) -> str:
    with server.client() as client:
        return client.get(f"/projects/p/run/{run_id}/logs").text


def test_while_a_bucket_is_away_nothing_is_lost_and_what_needs_it_waits(
    bucket: tuple[Door, dict[str, str]], tmp_path: Path
) -> None:
    door, settings = bucket
    with serving(tmp_path / "data", **settings) as server:
        assert server.deploy("p", _PROJECT)["status"] == "ready"
        first = server.start("p", "quick", {"n": 1})
        trace = _trace(server, first)

        door.is_cut = True
        traced = server.start("p", "quick", {"n": 2})
        assert server.result("p", traced)["result"] == 2
        answers = [_get(server, trace["url"]), _deploy(server)]
        eventually(lambda: "stored once the blob store is available again" in _log(server, traced))

    assert [(each.status_code, each.json()["code"]) for each in answers] == [
        (503, "unavailable")
    ] * 2
    assert all(each.headers["retry-after"] for each in answers)
    # The next Worker has no copy of the Bundle, and what the first one could not store.
    shutil.rmtree(tmp_path / "data" / "deployments")
    with serving(tmp_path / "data", **settings) as server:
        waits = server.start("p", "quick", {"n": 3})
        log_file = tmp_path / "data.log"
        eventually(lambda: "run_waits" in log_file.read_text())
        assert server.detail(waits)["status"] in ("pending", "started")

        door.is_cut = False
        assert server.result("p", waits)["result"] == 3
        assert len(server.detail(waits)["attempts"]) == 1
        kept = _trace(server, traced)
        assert _get(server, kept["url"]).content.startswith(b"PK")
        assert _get(server, trace["url"]).content.startswith(b"PK")


def test_doctor_says_that_a_bucket_refuses(
    bucket: tuple[Door, dict[str, str]], tmp_path: Path
) -> None:
    door, settings = bucket
    door.is_refusing = True

    done = command_line.run(
        None, "doctor", "--data-dir", str(tmp_path / "data"), cwd=tmp_path, **settings
    )

    assert done.returncode == 1
    assert "FAIL  blob store: The blob store rejects this server" in done.stdout
    assert "check `RUNWRIGHT_BLOBS`" in done.stdout
