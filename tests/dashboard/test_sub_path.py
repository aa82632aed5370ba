"""The dashboard behind a reverse proxy, under a path: everything works, and nothing leads outside the path."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from helpers import browsing
from helpers.browsing import Person
from helpers.server import RunwrightServer, eventually
from outside import pages, sub_path
from outside.sub_path import SubPath
from playwright.sync_api import Browser, expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]

_PATH = "/tools/runwright"
_SLOWLY = 60_000
_PAGE = "<!doctype html><title>till</title><body style='background: #00c000'>"
_PROJECT = {
    "pyproject.toml": "[tool.runwright]\n",
    "api/wait.py": (
        "async def automation(page, params):\n"
        "    await page.goto(params['url'])\n"
        "    await page.wait_for_timeout(300_000)\n"
    ),
}


@pytest.fixture
def proxied(server: RunwrightServer) -> Iterator[SubPath]:
    with sub_path.serving(int(server.url.rpartition(":")[2]), _PATH) as found:
        yield found
        assert found.strays == []


@pytest.fixture
def ben(chromium: Browser, server: RunwrightServer, proxied: SubPath) -> Iterator[Person]:
    """Who comes through the proxy."""
    with browsing.person(chromium, server, base=proxied.url) as found:
        yield found
        assert found.page.url.startswith(f"{proxied.url}/")
        assert found.complaints == []


def test_pages_are_reached_and_a_log_goes_on_by_itself(
    ben: Person, server: RunwrightServer, shop: str
) -> None:
    run_id = server.start(shop, "counts", {"lines": 60, "pause": 0.1})
    page = ben.page
    page.get_by_role("link", name="Projects").click()
    page.get_by_role("link", name=shop).first.click()
    page.get_by_role("link", name="Runs", exact=True).click()
    page.get_by_role("link", name=run_id[:8]).click()
    expect(page.locator(".log-line").first).to_be_visible(timeout=_SLOWLY)

    expect(page.locator(".log-line")).to_have_count(60, timeout=_SLOWLY)
    expect(page.locator("#run-outcome")).to_contain_text("Result", timeout=_SLOWLY)
    page.get_by_role("button", name="Run again").click()
    expect(page.get_by_text("Started again.")).to_be_visible(timeout=_SLOWLY)
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile(f"{_PATH}/sign-in"))


def test_a_run_is_seen_and_steered_live(
    ben: Person, server: RunwrightServer, proxied: SubPath
) -> None:
    assert server.deploy("below-a-path", _PROJECT)["status"] == "ready"
    with pages.serving({"/": _PAGE}) as till:
        run_id = server.start("below-a-path", "wait", {"url": till})
        page = ben.go(f"/projects/below-a-path/runs/{run_id}")
        page.get_by_role("link", name="Live view").click()
        page.get_by_role("button", name="till").wait_for(timeout=_SLOWLY)
        eventually(lambda: browsing.shows_green(page), within=60)

        page.get_by_role("button", name="Take control").click()
        expect(page.get_by_role("button", name="Release control")).to_be_visible(timeout=_SLOWLY)
        with server.client() as client:
            client.post(f"/projects/below-a-path/run/{run_id}/cancel").raise_for_status()
        expect(page.get_by_text("This run has ended: canceled.")).to_be_visible(timeout=_SLOWLY)

    assert proxied.upgrades


def test_the_trace_viewer_shows_a_trace(ben: Person, server: RunwrightServer, shop: str) -> None:
    run_id = server.start(shop, "broken", {"order": 8})
    server.result(shop, run_id)
    eventually(lambda: server.detail(run_id)["files"], within=60)
    page = ben.go(f"/projects/{shop}/runs/{run_id}")
    page.get_by_role("link", name="Trace").click()

    snapshot = browsing.snapshot_of(page, "Set content")
    expect(snapshot.get_by_role("heading", name="Till")).to_be_visible(timeout=_SLOWLY)
