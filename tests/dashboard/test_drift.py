"""Drifting Runs, as a person finds them and corrects the baseline."""

from __future__ import annotations

import pytest
from helpers.browsing import Person
from helpers.server import RunwrightServer, eventually
from playwright.sync_api import expect

PROJECT = "dashboard-drift"
FILES = {
    "api/list.py": (
        "async def automation(page, params):\n"
        "    return [{'name': 'n', 'price': 1}] * params.get('count', 20)\n"
    )
}


@pytest.fixture(scope="module", name="drifted")
def _drifted(server: RunwrightServer) -> str:
    """Return a Run that is not as usual."""
    assert server.deploy(PROJECT, FILES)["status"] == "ready"
    for run_id in [server.start(PROJECT, "list") for _ in range(20)]:
        server.result(PROJECT, run_id)
    with server.client() as client:

        def has_learnt() -> bool:
            known = client.get(f"/projects/{PROJECT}/drift").json()["apis"]
            return bool(known) and known[0]["knownRuns"] == 20

        eventually(has_learnt)
    run_id = server.start(PROJECT, "list", {"count": 2})
    eventually(lambda: server.detail(run_id)["drift"])
    return run_id


def test_a_run_that_is_not_as_usual_is_found_and_said_to_be_right(
    anna: Person, drifted: str
) -> None:
    page = anna.go(f"/projects/{PROJECT}")
    page.get_by_role("link", name="unusual, 1 in a row").click()

    rows = page.locator("#run-rows tbody tr")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("It has 2 items; 20 are usual")
    rows.get_by_role("link").click()
    expect(page.get_by_role("region", name="Unusual result")).to_contain_text("20 are usual")
    expect(page.locator("#run-head")).to_contain_text(drifted)
    page.get_by_role("button", name="Accept as usual").click()
    expect(page.get_by_role("status").first).to_contain_text("Saved")
    expect(page.get_by_text("learning, 1 of 20")).to_be_visible()


def test_the_watch_over_an_api_is_switched_off_and_on(anna: Person, drifted: str) -> None:
    page = anna.go(f"/projects/{PROJECT}/runs/{drifted}")
    page.get_by_role("button", name="Stop watching this API").click()

    expect(page.get_by_text("not watched")).to_be_visible()
    page.get_by_role("button", name="Watch", exact=True).click()
    expect(page.get_by_text("learning, 0 of 20")).to_be_visible()


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390)])
def test_axe_finds_nothing_where_a_run_is_not_as_usual(
    anna: Person, drifted: str, theme: str, width: int
) -> None:
    anna.page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    anna.page.set_viewport_size({"width": width, "height": 900})

    page = anna.go(f"/projects/{PROJECT}/runs/{drifted}")
    expect(page.get_by_role("region", name="Unusual result")).to_be_visible()
    of_run = anna.findings()
    anna.go(f"/projects/{PROJECT}/runs?drifted=yes")
    expect(page.locator("#run-rows tbody tr")).to_have_count(1)

    assert of_run == []
    assert anna.findings() == []
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
