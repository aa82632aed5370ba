"""A Worker that stalls for a while: every page says so, and recovers once it continues."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import browsing, clusters
from helpers.browsing import Person
from helpers.server import RunwrightServer, eventually, serving
from outside import pages
from playwright.sync_api import Browser, Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]

_SLOWLY = 120_000
_PAGE = "<!doctype html><title>till</title><body style='background: #00c000'>"
_PROJECT = {
    "pyproject.toml": "[tool.runwright]\n",
    "api/wait.py": (
        "async def automation(page, params):\n"
        "    await page.goto(params['url'])\n"
        "    await page.wait_for_timeout(600_000)\n"
    ),
    "api/quick.py": "async def automation(page, params):\n    return 'done'\n",
}


def _fact(page: Page, name: str) -> Any:
    return page.locator(".facts > div").filter(has=page.get_by_text(name, exact=True))


def _tab(anna: Person, path: str) -> Page:
    page = anna.page.context.new_page()
    page.goto(anna.base + path)
    return page


def _start(server: RunwrightServer, url: str) -> str:
    assert server.deploy("slow", _PROJECT)["status"] == "ready"
    return server.start("slow", "wait", {"url": url})


@pytest.fixture
def standing(tmp_path: Path) -> Iterator[tuple[RunwrightServer, subprocess.Popen[str]]]:
    """A server, and the only Worker there is, in a process of its own."""
    with (
        clusters.postgresql(tmp_path / "postgresql") as url,
        serving(tmp_path / "server", "--no-worker", **clusters.settings(tmp_path, url)) as server,
        clusters.worker(tmp_path / "worker", url) as worker,
    ):
        yield server, worker


def _tells_of_a_silent_worker(live: Page, home: Page, system: Page) -> None:
    live.bring_to_front()
    expect(live.get_by_text("has not responded for a while")).to_be_visible(timeout=_SLOWLY)
    home.bring_to_front()
    expect(_fact(home, "Workers")).to_contain_text("none and 1 silent", timeout=_SLOWLY)
    system.bring_to_front()
    told = system.get_by_role("region", name="Workers")
    expect(told).to_contain_text("silent", timeout=_SLOWLY)
    expect(system.get_by_role("alert")).to_contain_text("no worker is running")


def _tells_that_it_is_back(live: Page, home: Page, system: Page) -> None:
    told = system.get_by_role("region", name="Workers")
    expect(told).to_contain_text("slots", timeout=_SLOWLY)
    expect(system.get_by_role("alert")).to_have_count(0)
    home.bring_to_front()
    expect(_fact(home, "Workers")).not_to_contain_text("silent", timeout=_SLOWLY)
    live.bring_to_front()
    live.get_by_role("button", name="till").wait_for(timeout=_SLOWLY)
    eventually(lambda: browsing.shows_green(live), within=60)


def test_every_page_tells_that_a_worker_stands_still_and_that_it_goes_on(
    chromium: Browser, standing: tuple[RunwrightServer, subprocess.Popen[str]]
) -> None:
    server, worker = standing
    with pages.serving({"/": _PAGE}) as till, browsing.person(chromium, server) as anna:
        run_id = _start(server, till)
        live = anna.go(f"/projects/slow/runs/{run_id}/live")
        live.get_by_role("button", name="till").wait_for(timeout=_SLOWLY)
        eventually(lambda: browsing.shows_green(live), within=60)
        home, system = _tab(anna, "/"), _tab(anna, "/system")
        expect(_fact(home, "Workers")).to_contain_text("1")

        worker.send_signal(signal.SIGSTOP)
        try:
            _tells_of_a_silent_worker(live, home, system)
        finally:
            worker.send_signal(signal.SIGCONT)

        _tells_that_it_is_back(live, home, system)
        assert server.run("slow", "quick")["status"] == "completed"
        with server.client() as client:
            client.post(f"/projects/slow/run/{run_id}/cancel").raise_for_status()
        expect(live.get_by_text("This run has ended: canceled.")).to_be_visible(timeout=_SLOWLY)
        assert anna.complaints == []
