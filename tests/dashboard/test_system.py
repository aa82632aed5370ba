"""The System page: what Workers find on their machines, and what retention removed."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import httpx2
from helpers import browsing
from helpers.browsing import Person
from helpers.server import RunwrightServer
from playwright.sync_api import Browser, expect

_SLOWLY = 120_000
"""An examination starts every browser there is."""


def test_a_person_has_the_machines_examined_and_reads_what_to_do(anna: Person) -> None:
    page = anna.go("/system")
    machines = page.locator(".panel", has=page.get_by_role("heading", name="Worker machines"))

    pressed_at = datetime.now(UTC)

    machines.get_by_role("button", name="Examine now").click()

    expect(page.get_by_role("status")).to_contain_text("examining their machines")
    expect(machines).not_to_contain_text("being examined", timeout=_SLOWLY)
    examined_at = machines.locator("h3 time").first.get_attribute("datetime")
    assert examined_at is not None
    assert datetime.fromisoformat(examined_at) > pressed_at - timedelta(seconds=1)
    machines.get_by_text("passed").first.click()
    found = machines.locator(".findings li")
    expect(found.filter(has_text=re.compile(r"^\s*data directory"))).to_contain_text("MiB free")
    expect(found.filter(has_text=re.compile(r"^\s*database"))).to_contain_text("PostgreSQL")
    expect(found.filter(has_text="Chromium").first).to_contain_text("works")
    expect(machines.locator("details[open]").first).to_be_visible()


def test_who_may_only_read_sees_no_paths_and_asks_for_nothing(
    chromium: Browser, server: RunwrightServer
) -> None:
    with server.client() as client:
        key = client.post("/keys", json={"name": "reads", "scopes": ["read"]}).json()["key"]

    with browsing.person(chromium, server, key=key) as reader:
        page = reader.go("/system")
        expect(page.get_by_role("heading", name="Worker machines")).to_be_visible()
        expect(page.get_by_role("button", name="Examine now")).to_have_count(0)
        assert str(server.data_dir) not in page.content()
    with httpx2.Client(base_url=server.url, timeout=30) as client:
        client.post("/sign-in", data={"key": key})
        assert client.post("/system/examine").status_code == 403


def test_another_site_can_have_nothing_examined(server: RunwrightServer) -> None:
    with httpx2.Client(base_url=server.url, timeout=30) as client:
        client.post("/sign-in", data={"key": server.api_key})

        answer = client.post("/system/examine", headers={"sec-fetch-site": "cross-site"})

    assert answer.status_code == 403


def test_the_last_pruning_and_what_is_kept_are_told(anna: Person, server: RunwrightServer) -> None:
    with server.client() as client:
        client.post("/prune").raise_for_status()

    page = anna.go("/system")

    kept = page.locator(".panel", has=page.get_by_role("heading", name="Retention"))
    expect(kept).to_contain_text(re.compile(r"Runs, logs, results\s*30 d"))
    expect(kept).to_contain_text("every night at 03:00 UTC")
    expect(kept).to_contain_text(re.compile(r"Last pruning\s*(just now|\d+ s ago)"))
    expect(kept).to_contain_text("Removed")
