"""Markup in results, log lines, titles, attributes, names and answers is displayed and never executed."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest
from helpers import browsing, command_line
from helpers.server import RunwrightServer, eventually
from playwright.sync_api import Browser, expect

EVIL = (
    '</script><script>window.hacked=1</script><img src=x onerror="window.hacked=1">'
    '<svg onload=window.hacked=1><a href="javascript:window.hacked=1">x</a>{{7*7}}'
)


@pytest.fixture(scope="module")
def evil_runs(server: RunwrightServer, shop: str) -> list[str]:
    """Carry out Runs that say evil things everywhere."""
    done = server.start(
        shop,
        "says",
        {"text": EVIL},
        sink={"type": "webhook", "url": "http://127.0.0.1:9/<img/src=x/onerror=window.hacked=1>"},
    )
    failed = server.start(shop, "says", {"text": EVIL, "fail": True})
    for run_id in (done, failed):
        server.result(shop, run_id)
        eventually(lambda run_id=run_id: server.detail(run_id)["files"])
    return [done, failed]


def test_nothing_that_a_run_says_is_executed(
    chromium: Browser, server: RunwrightServer, shop: str, evil_runs: list[str]
) -> None:
    done, failed = evil_runs
    with browsing.person(chromium, server) as anna:
        page = anna.page
        for path in (
            "/",
            f"/projects/{shop}",
            f"/projects/{shop}/runs",
            f"/projects/{shop}/deliveries",
            f"/projects/{shop}/runs/{failed}",
            f"/projects/{shop}/playground?again={done}",
            f"/projects/{shop}/runs?text=<img src=x onerror=window.hacked=1>",
            f"/projects/{shop}/runs?cursor=<script>window.hacked=1</script>",
        ):
            anna.go(path)
            page.wait_for_load_state("load")
            assert page.evaluate("window.hacked") is None, path
        anna.go(f"/projects/{shop}/runs/{done}")
        result = page.locator("[data-json$=result]")
        expect(result).to_contain_text("[1]")
        for view in ("Table", "Raw", "Tree"):
            result.get_by_role("button", name=view).click()
            expect(result).to_contain_text("onerror")
        expect(page.get_by_role("log")).to_contain_text("onerror")
        page.get_by_placeholder("Search the log").fill("<img")
        expect(page.locator("mark")).to_have_text("<img")
        assert page.evaluate("window.hacked") is None
        assert page.locator("main img[src=x], main svg[onload]").count() == 0
        # A policy that had to refuse something would mean that markup came through.
        assert anna.complaints == []


def test_the_recorded_page_of_a_trace_executes_nothing(
    chromium: Browser, server: RunwrightServer, shop: str, evil_runs: list[str]
) -> None:
    with browsing.person(chromium, server) as anna:
        page = anna.go(f"/projects/{shop}/runs/{evil_runs[0]}/trace/1")
        viewer = page.frame_locator("iframe.viewer")
        viewer.get_by_text("Set content").first.click()
        snapshot = viewer.frame_locator("iframe[name=snapshot]").first
        expect(snapshot.get_by_text("Hello")).to_be_visible()

        assert [frame.evaluate("window.hacked") for frame in page.frames] == [None] * len(
            page.frames
        )


def test_files_are_downloads_whatever_they_are_called(
    server: RunwrightServer, shop: str, evil_runs: list[str]
) -> None:
    file = server.detail(evil_runs[0])["files"][0]
    with httpx2.Client(base_url=server.url, timeout=60) as client:
        client.post("/sign-in", data={"key": server.api_key})
        answer = client.get(f"/projects/{shop}/runs/{evil_runs[0]}/files/{file['id']}?show=true")

    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert "sandbox" in answer.headers["content-security-policy"]


def test_every_page_forbids_what_is_inline(server: RunwrightServer) -> None:
    with httpx2.Client(base_url=server.url, timeout=60) as client:
        client.post("/sign-in", data={"key": server.api_key})
        for path in ("/", "/projects", "/system", "/nothing-here"):
            page = client.get(path, headers={"accept": "text/html"})
            policy = page.headers["content-security-policy"]
            assert "'unsafe" not in policy
            assert "default-src 'none'" in policy
            assert "<script>" not in page.text
            assert " style=" not in page.text


def test_half_a_character_breaks_no_page_and_no_command(
    chromium: Browser, server: RunwrightServer, shop: str, tmp_path: Path
) -> None:
    done, failed = (server.start(shop, "half", {"fail": fail}) for fail in (False, True))
    for run_id in (done, failed):
        server.result(shop, run_id)

    with browsing.person(chromium, server) as anna:
        for path in ("/", f"/projects/{shop}", f"/projects/{shop}/runs"):
            anna.go(path)
            expect(anna.page.locator("main")).to_contain_text("half")
        anna.go(f"/projects/{shop}/runs/{failed}")
        expect(anna.page.get_by_role("log")).to_contain_text("\\ud83d")
        anna.go(f"/projects/{shop}/runs/{done}")
        expect(anna.page.locator("[data-json$=result]")).to_contain_text("said")
        for place in ("result", "log"):
            answer = anna.page.request.get(f"{server.url}/projects/{shop}/runs/{done}/{place}")
            assert answer.ok, place
        assert anna.complaints == []
    said = command_line.run(server, "run", shop, "half", cwd=tmp_path)
    shown = command_line.run(server, "runs", "show", failed, cwd=tmp_path)
    assert (said.returncode, shown.returncode) == (0, 0), said.stderr + shown.stderr
