"""Runs in the dashboard: starting, following, reading, finding, canceling and repeating them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from helpers import browsing
from helpers.browsing import Person
from helpers.server import RunwrightServer, eventually
from outside import pages
from playwright.sync_api import Browser, expect

_DARKEST = """image => {
  const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight).getContext("2d");
  canvas.drawImage(image, 0, 0);
  const { data } = canvas.getImageData(0, 0, image.naturalWidth, image.naturalHeight);
  return data.reduce((least, value) => Math.min(least, value), 255);
}"""


def test_the_playground_makes_a_form_of_the_schema_and_starts_a_run(
    anna: Person, shop: str
) -> None:
    page = anna.go(f"/projects/{shop}/playground")
    expect(page.get_by_label("shop", exact=True)).to_have_value("lamps")
    expect(page.get_by_label("pages")).to_have_value("2")

    page.get_by_label("shop", exact=True).fill("chairs")
    page.get_by_label("currency").select_option("USD")
    page.get_by_role("button", name="Add item").click()
    page.get_by_label("item 1").fill("wood")
    page.get_by_role("button", name="JSON", exact=True).click()
    expect(page.get_by_label("Parameters (JSON)")).to_have_value(
        re.compile('"tags": \\[\\s*"wood"')
    )
    page.get_by_role("button", name="Start run").click()

    expect(page.get_by_role("heading", name="prices")).to_be_visible()
    expect(page.get_by_text("completed").first).to_be_visible()
    expect(page.get_by_role("log")).to_contain_text("reading chairs")
    parameters = page.locator("[data-json$=parameters]")
    expect(parameters).to_contain_text('currency: "USD"')


def test_wrong_parameters_are_told_of_beside_their_field(anna: Person, shop: str) -> None:
    page = anna.go(f"/projects/{shop}/playground?api=prices")
    page.get_by_role("button", name="JSON", exact=True).click()
    page.get_by_label("Parameters (JSON)").fill('{"shop": "lamps", "pages": "many"}')
    page.get_by_role("button", name="Start run").click()

    expect(page.get_by_role("alert")).to_contain_text("parameters.pages")
    expect(page.get_by_label("pages")).to_have_attribute("aria-invalid", "true")
    page.get_by_role("button", name="JSON", exact=True).click()
    page.get_by_label("Parameters (JSON)").fill("{not json")
    page.get_by_role("button", name="Start run").click()
    expect(page.get_by_role("alert")).to_contain_text("not valid JSON")
    expect(page.get_by_label("Parameters (JSON)")).to_have_value("{not json")


def test_a_run_is_followed_while_it_goes_and_can_be_cancelled(
    anna: Person, server: RunwrightServer, shop: str
) -> None:
    run_id = server.start(shop, "counts", {"lines": 10_000, "pause": 0.05})
    page = anna.go(f"/projects/{shop}/runs/{run_id}")

    expect(page.get_by_role("log")).to_contain_text("line 3")
    expect(page.locator("#run-head")).to_contain_text("started")
    page.get_by_placeholder("Search the log").fill("line 2")
    expect(page.locator(".log-line", has_text="line 3")).to_be_hidden()
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("status").filter(has_text="Canceling.")).to_be_visible()
    expect(page.locator("#run-outcome")).to_contain_text("cancelled-user-action")


def test_a_result_is_browsed_as_tree_and_table_and_taken_along(
    anna: Person, server: RunwrightServer, shop: str
) -> None:
    run_id = server.start(shop, "prices", {"shop": "lamps"})
    server.result(shop, run_id)
    page = anna.go(f"/projects/{shop}/runs/{run_id}")
    result = page.locator("[data-json$=result]")

    expect(result).to_contain_text('shop: "lamps"')
    result.get_by_text("items:").click()
    result.get_by_role("button", name="Table").click()
    expect(result.get_by_role("cell", name="Item 2")).to_be_visible()
    with page.expect_download() as csv:
        result.get_by_role("button", name="CSV").click()
    with page.expect_download() as whole:
        result.get_by_role("link", name="JSON").click()

    assert Path(csv.value.path()).read_bytes().startswith(b"name,price\r\nItem 0,0\r\n")
    assert Path(whole.value.path()).read_text().startswith('{"shop"')
    assert whole.value.suggested_filename == f"{run_id}.result.json"


def test_a_failure_shows_the_authors_lines_and_what_the_browser_showed_last(
    anna: Person, server: RunwrightServer, shop: str
) -> None:
    run_id = server.start(shop, "broken", {"order": 7}, retry={"maximumAttempts": 2})
    server.result(shop, run_id)
    eventually(lambda: len(server.detail(run_id)["files"]) == 2)
    page = anna.go(f"/projects/{shop}/runs/{run_id}")

    outcome = page.locator("#run-outcome")
    expect(outcome).to_contain_text("no total in order 7")
    expect(outcome).to_contain_text("api/broken.py")
    picture = outcome.get_by_role("img", name="Last screenshot")
    picture.scroll_into_view_if_needed()
    eventually(lambda: picture.evaluate("image => image.naturalWidth") > 0)
    # Its code fails before the browser has painted a thing.
    assert picture.evaluate(_DARKEST) < 100


def test_the_trace_viewer_shows_the_attempts_trace(
    anna: Person, server: RunwrightServer, shop: str
) -> None:
    run_id = server.start(shop, "broken", {"order": 8})
    server.result(shop, run_id)
    eventually(lambda: server.detail(run_id)["files"])
    page = anna.go(f"/projects/{shop}/runs/{run_id}")
    page.get_by_role("link", name="Trace").click()

    snapshot = browsing.snapshot_of(page, "Set content")
    viewer = page.frame_locator("iframe.viewer")
    expect(viewer.get_by_text("What the browser showed last")).to_be_visible()
    expect(snapshot.get_by_role("heading", name="Till")).to_be_visible()


def test_runs_are_found_by_filters_that_stand_in_the_address(
    anna: Person, server: RunwrightServer, shop: str
) -> None:
    failed = server.start(shop, "broken", {"order": "needle"})
    server.result(shop, failed)
    said = server.start(shop, "says", {"text": "hello there"})
    server.result(shop, said)
    page = anna.go(f"/projects/{shop}/runs")

    page.get_by_label("Error").fill("ORDER needle")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody")).to_contain_text(failed[:8])
    assert "text=ORDER+needle" in page.url
    anna.go(f"/projects/{shop}/runs?attribute=said:hello there")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody")).to_contain_text(said[:8])
    anna.go(f"/projects/{shop}/runs?api=prices&status=failed")
    expect(page.get_by_text("No matching runs.")).to_be_visible()
    anna.go(f"/projects/{shop}/runs?since=1h&until=2001-01-01T00:00")
    expect(page.get_by_text("No matching runs.")).to_be_visible()
    anna.go(f"/projects/{shop}/runs?since=yesterday")
    expect(page.get_by_text("must be a time")).to_be_visible()


def test_the_table_follows_and_acts_on_many_at_once(
    anna: Person, server: RunwrightServer, shop: str
) -> None:
    page = anna.go(f"/projects/{shop}/runs?api=counts&status=started")
    ids = [server.start(shop, "counts", {"lines": 10_000, "pause": 0.1}) for _ in range(2)]
    for run_id in ids:
        expect(page.locator("tbody")).to_contain_text(run_id[:8])

    page.get_by_label("Select all").check()
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Cancel").click()

    expect(page.get_by_role("status").filter(has_text="Canceling.")).to_be_visible()
    assert "status=started" in page.url
    for run_id in ids:
        assert server.result(shop, run_id)["status"] == "canceled"


def test_a_run_is_started_again_as_it_was_or_with_other_parameters(
    anna: Person, server: RunwrightServer, shop: str
) -> None:
    with pages.serving({"/": "<h1>Here</h1>"}) as address:
        proxied = server.start(
            shop, "prices", {"shop": "lamps", "pages": 5}, proxy=address, saveTrace=False
        )
        server.result(shop, proxied)
    page = anna.go(f"/projects/{shop}/runs/{proxied}")
    page.get_by_role("button", name="Run again").click()
    expect(page.get_by_text("Started again.")).to_be_visible()
    again = page.url.partition("?")[0].rpartition("/")[2]
    assert again != proxied
    assert server.result(shop, again)["status"] == "completed"
    assert server.detail(again)["parameters"] == {"shop": "lamps", "pages": 5}
    assert server.detail(again)["saveTrace"] is False

    anna.go(f"/projects/{shop}/runs/{proxied}")
    page.get_by_role("link", name="Edit and run").click()
    page.get_by_label("pages").fill("6")
    expect(page.get_by_label("Save a trace")).not_to_be_checked()
    page.get_by_role("button", name="Start run").click()
    expect(page.locator("[data-json$=parameters]")).to_contain_text("pages: 6")


def test_what_one_person_does_another_sees(
    chromium: Browser, server: RunwrightServer, shop: str
) -> None:
    with (
        browsing.person(chromium, server) as anna,
        browsing.person(chromium, server) as ben,
    ):
        run_id = server.start(shop, "counts", {"lines": 10_000, "pause": 0.1})
        anna.go(f"/projects/{shop}/runs/{run_id}")
        ben.go(f"/projects/{shop}/runs/{run_id}")
        expect(ben.page.locator("#run-head")).to_contain_text("started")
        anna.page.once("dialog", lambda dialog: dialog.accept())
        anna.page.get_by_role("button", name="Cancel").click()

        expect(ben.page.locator("#run-outcome")).to_contain_text("Canceled")
        expect(ben.page.get_by_role("button", name="Cancel")).to_have_count(0)
        ben.page.get_by_role("button", name="Run again").click()
        expect(ben.page.get_by_text("Started again.")).to_be_visible()
        ben.page.once("dialog", lambda dialog: dialog.accept())
        ben.page.get_by_role("button", name="Cancel").click()
        expect(
            ben.page.get_by_role("status").filter(has_text=re.compile("cancel", re.IGNORECASE))
        ).to_be_visible()


def test_the_keyboard_moves_over_rows_and_jumps(
    anna: Person, server: RunwrightServer, shop: str
) -> None:
    run_id = server.start(shop, "counts", {"lines": 1})
    server.result(shop, run_id)
    page = anna.go(f"/projects/{shop}/runs")

    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.get_by_text("1 selected")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="counts")).to_be_visible()
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="A page, project, API or run ID").fill("prices")
    expect(page.get_by_role("option").first).to_contain_text("prices")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Playground")).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("h")
    expect(page.get_by_role("heading", name="Home")).to_be_visible()


@pytest.mark.parametrize("path", ["/runs/no-such-run", "/projects/nothing-here", "/runs/%00"])
def test_what_is_not_there_is_told_of_on_a_page(anna: Person, path: str) -> None:
    page = anna.go(path)

    expect(page.get_by_role("heading", name="Not found")).to_be_visible()


def test_the_call_that_a_page_shows_is_copied_whole(anna: Person, shop: str) -> None:
    page = anna.go(f"/projects/{shop}/openapi")
    call = page.locator("#prices")

    copied = call.get_by_role("button", name="Copy command").get_attribute("data-copy")

    assert copied == call.locator("pre").first.text_content()
    assert copied is not None
    assert copied.splitlines()[-1].strip() == (
        """-d '{"api": "prices", "parameters": {"shop": "lamps", "pages": 2}}'"""
    )
