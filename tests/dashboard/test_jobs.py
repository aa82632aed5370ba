"""Jobs in the dashboard: a form with a preview of the next firings, JobRuns in progress."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

from helpers.browsing import Person
from helpers.server import RunwrightServer
from playwright.sync_api import expect

from runwright.domain.jobs import schedule_text
from runwright.web.dashboard.drawing import firings


def _make(server: RunwrightServer, shop: str, job_id: str, items: list[Any], **more: Any) -> None:
    body = {"id": job_id, "payload": items, "configuration": {"maxConcurrentRequests": 2}, **more}
    with server.client() as client:
        answer = client.post(f"/projects/{shop}/jobs", json=body)
        assert answer.status_code == 201, answer.text


def test_a_job_is_made_with_the_form_which_shows_when_it_fires(
    anna: Person, server: RunwrightServer, shop: str
) -> None:
    page = anna.go(f"/projects/{shop}/new-job")
    page.get_by_label("ID", exact=True).fill("from-form")
    page.get_by_label("Parameters").fill('{"lines": 1}')
    page.get_by_label("API", exact=True).select_option("counts")
    page.get_by_label("Time zone").fill("Europe/Berlin")
    page.get_by_role("group", name="Calendars").get_by_role("button").click()
    page.get_by_label("Hour").fill("7, 19")
    page.get_by_label("Minute").fill("30")

    expect(page.get_by_text("In Europe/Berlin")).to_be_visible()
    expect(page.locator(".month td.fires").nth(2)).to_contain_text("2\N{MULTIPLICATION SIGN}")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="from-form")).to_be_visible()
    with server.client() as client:
        job = client.get(f"/projects/{shop}/jobs/from-form").json()
    assert job["payload"] == [{"apiName": "counts", "parameters": {"lines": 1}}]
    assert job["schedule"]["calendars"] == [{"hour": [7, 19], "minute": 30}]


def test_what_is_wrong_with_a_job_is_told_and_nothing_typed_is_lost(
    anna: Person, server: RunwrightServer, shop: str
) -> None:
    _make(server, shop, "to-edit", [{"apiName": "counts", "parameters": {"lines": 1}}])
    page = anna.go(f"/projects/{shop}/jobs/to-edit/edit")
    page.get_by_role("button", name="JSON", exact=True).click()
    body = json.loads(page.get_by_label("Job (JSON)").input_value())
    body["payload"][0]["apiName"] = "no-such-api"
    page.get_by_label("Job (JSON)").fill(json.dumps(body))
    page.get_by_role("button", name="Save").click()

    expect(page.get_by_role("alert")).to_contain_text("names no API of this project")
    page.get_by_role("button", name="JSON", exact=True).click()
    expect(page.get_by_label("Job (JSON)")).to_have_value(re.compile("no-such-api"))


def test_a_job_run_is_followed_to_its_end(anna: Person, server: RunwrightServer, shop: str) -> None:
    items = [{"apiName": "counts", "parameters": {"lines": 1}} for _ in range(4)]
    _make(server, shop, "followed", [*items, {"apiName": "broken", "parameters": {"order": 1}}])
    page = anna.go(f"/projects/{shop}/jobs")
    page.get_by_role("button", name="Trigger followed").click()

    expect(page.get_by_text("Triggered.")).to_be_visible()
    expect(page.locator("#job-run")).to_contain_text("5 of 5")
    expect(page.locator("#job-run .head")).to_contain_text("completed")
    expect(page.locator("#job-run tbody tr").first).to_contain_text("no total in order 1")
    with page.expect_download() as download:
        page.get_by_role("link", name="Results").click()
    assert len(download.value.path().read_text().splitlines()) == 5
    page.get_by_role("link", name="completed 4").click()
    expect(page.locator("tbody tr")).to_have_count(4)
    anna.go(f"/projects/{shop}/runs?job=followed&status=failed")
    expect(page.locator("tbody tr")).to_have_count(1)


def test_a_job_is_paused_resumed_terminated_and_deleted(
    anna: Person, server: RunwrightServer, shop: str
) -> None:
    items = [{"apiName": "counts", "parameters": {"lines": 9999, "pause": 0.1}}]
    _make(server, shop, "long", items, schedule={"intervals": [{"every": "1h"}]})
    page = anna.go(f"/projects/{shop}/jobs/long")
    page.on("dialog", lambda dialog: dialog.accept())

    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Paused on request.")).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("Resumed.")).to_be_visible()
    page.get_by_role("button", name="Trigger").click()
    page.get_by_role("button", name="Terminate").click()
    expect(page.locator("#job-run .head")).to_contain_text("terminated")
    page.get_by_role("link", name="long").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Deleted.")).to_be_visible()


def test_the_picture_marks_the_days_on_which_the_clock_changes() -> None:
    schedule = schedule_text.parse(
        {"timeZone": "Europe/Berlin", "calendars": [{"hour": 2, "minute": 30}]}
    )

    picture = firings.draw(schedule, datetime(2026, 3, 24, tzinfo=UTC))

    days = {day.date.isoformat(): day for week in picture.weeks for day in week}
    assert days["2026-03-29"].clock_change == "clocks go forward by 60 min"
    assert [day for day in days.values() if day.clock_change] == [days["2026-03-29"]]
    # Debian's rule: what stands in the hour that is left out fires right after it.
    assert days["2026-03-29"].times == ("03:00",)
    assert days["2026-03-30"].times == ("02:30",)
    assert all(day.is_past for day in picture.weeks[0][:1])


def test_a_schedule_that_fires_every_second_is_drawn_as_far_as_it_was_counted() -> None:
    schedule = schedule_text.parse({"intervals": [{"every": "1s"}]})

    picture = firings.draw(schedule, datetime(2026, 3, 24, 12, tzinfo=UTC))

    assert len(picture.next) == 8
    assert not any(day.is_known for day in picture.weeks[-1])
