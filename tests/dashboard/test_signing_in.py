"""Signing in to the dashboard, and what it does for those who are not signed in."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from helpers import browsing, command_line
from helpers.browsing import Person
from helpers.server import RunwrightServer, line_from, line_of, serving
from playwright.sync_api import Browser, expect

PLACES = [
    "/",
    "/projects",
    "/system",
    "/projects/dashboard-shop/runs",
    "/places",
    "/events",
    "/trace-viewer/",
]


def _key(server: RunwrightServer, *scopes: str) -> tuple[str, str]:
    with server.client() as client:
        found = client.post("/keys", json={"name": "of a test", "scopes": list(scopes)}).json()
    return found["id"], found["key"]


@contextmanager
def _signed_in(server: RunwrightServer, key: str | None = None) -> Generator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, timeout=30) as client:
        answer = client.post("/sign-in", data={"key": key or server.api_key})
        assert answer.status_code == 303
        yield client


@pytest.mark.parametrize("place", PLACES)
def test_nothing_is_shown_to_who_is_not_signed_in(server: RunwrightServer, place: str) -> None:
    page = httpx2.get(server.url + place, headers={"accept": "text/html"}, timeout=60)
    script = httpx2.get(server.url + place, headers={"sec-fetch-mode": "cors"}, timeout=60)

    assert page.status_code == 303
    assert page.headers["location"].startswith("/sign-in")
    assert script.status_code == 401
    assert "project" not in script.text


def test_a_person_signs_in_goes_where_she_wanted_and_signs_out(
    chromium: Browser, server: RunwrightServer, shop: str
) -> None:
    with browsing.visitor(chromium, server.url) as found:
        page = found.go(f"/projects/{shop}/runs?status=failed")
        page.get_by_label("API key").fill("rw_no-such-key")
        page.get_by_label("API key").press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("Unknown or revoked key")
        found.go(f"/projects/{shop}/runs?status=failed")
        page.get_by_label("API key").fill(server.api_key)
        page.get_by_label("API key").press("Enter")
        expect(page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
        expect(page).to_have_url(re.compile(r"/runs\?status=failed$"))
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("API key")).to_be_visible()
        found.go("/")
        expect(page.get_by_label("API key")).to_be_visible()


def test_a_link_signs_in_once(chromium: Browser, server: RunwrightServer, tmp_path: Path) -> None:
    printed = command_line.run(server, "dashboard", "--print", cwd=tmp_path)
    link = printed.stdout.strip()

    with browsing.visitor(chromium, server.url) as first:
        first.page.goto(link)
        expect(first.page.get_by_role("heading", name="Home")).to_be_visible()
    with browsing.visitor(chromium, server.url) as second:
        second.page.goto(link)
        expect(second.page.get_by_role("alert")).to_contain_text("already used")


def test_serve_prints_a_link_where_a_person_looks_and_nowhere_else(
    chromium: Browser, tmp_path: Path
) -> None:
    with serving(tmp_path / "data") as server:
        kept = line_of(server.process)
    near, far = os.openpty()
    command = [sys.executable, "-m", "runwright", "serve", "--data-dir", str(tmp_path / "data")]
    process = subprocess.Popen([*command, "--port", "0"], stdout=far, stderr=subprocess.DEVNULL)
    try:
        with os.fdopen(near) as terminal:
            assert "is ready" in line_from(terminal)
            link = line_from(terminal).rpartition(" ")[2].strip()
            with browsing.visitor(chromium, link.partition("/sign-in#")[0]) as found:
                found.page.goto(link)
                expect(found.page.get_by_role("heading", name="Home")).to_be_visible()
            process.terminate()
            assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()
        os.close(far)

    assert "/sign-in#" not in kept
    assert "runwright dashboard --print" in kept


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(server: RunwrightServer) -> None:
    plain = httpx2.post(f"{server.url}/sign-in", data={"key": server.api_key}, timeout=60)
    secure = httpx2.post(
        f"{server.url}/sign-in",
        data={"key": server.api_key},
        headers={"x-forwarded-proto": "https"},
        timeout=60,
    )

    assert "HttpOnly" in plain.headers["set-cookie"]
    assert "SameSite=lax" in plain.headers["set-cookie"]
    assert "Secure" not in plain.headers["set-cookie"]
    assert "Secure" in secure.headers["set-cookie"]


def test_revoking_the_key_ends_its_visits(server: RunwrightServer) -> None:
    key_id, key = _key(server, "read")
    with _signed_in(server, key) as client:
        assert client.get("/").status_code == 200

        with server.client() as api:
            api.delete(f"/keys/{key_id}")

        assert client.get("/").status_code == 401


def test_who_may_only_read_can_start_nothing(
    chromium: Browser, server: RunwrightServer, shop: str
) -> None:
    _, key = _key(server, "read")
    run_id = server.start(shop, "counts", {"lines": 1})
    server.result(shop, run_id)
    path = f"/projects/{shop}/runs/{run_id}"

    with browsing.person(chromium, server, key=key) as reader:
        page = reader.go(path)
        expect(page.get_by_role("heading", name="counts")).to_be_visible()
        expect(page.get_by_role("button", name="Run again")).to_have_count(0)
    with _signed_in(server, key) as client:
        assert client.post(f"{path}/again", data={}).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://elsewhere.example"},
        {"origin": "null"},
    ],
    ids=["cross-site", "same-site", "other-origin", "no-origin"],
)
def test_a_request_that_another_site_sent_is_refused(
    server: RunwrightServer, shop: str, headers: dict[str, str]
) -> None:
    run_id = server.start(shop, "counts", {"lines": 1})
    with _signed_in(server) as client:
        answer = client.post(f"/projects/{shop}/runs/{run_id}/again", data={}, headers=headers)
        signed_out = client.post("/sign-out", headers=headers)

    assert answer.status_code == 403
    assert signed_out.status_code == 403


@pytest.mark.parametrize(
    "place", ["//evil.example", "/\\evil.example", "https://evil.example", "/a\r\nb: c"]
)
def test_signing_in_leads_to_no_other_site(server: RunwrightServer, place: str) -> None:
    answer = httpx2.post(
        f"{server.url}/sign-in", data={"key": server.api_key, "next": place}, timeout=60
    )

    assert answer.headers["location"] == "/"


def test_behind_a_proxy_everything_stays_below_its_path(server: RunwrightServer, shop: str) -> None:
    prefixed = {"x-forwarded-prefix": "/tools/runwright"}
    with httpx2.Client(base_url=server.url, headers=prefixed, timeout=60) as client:
        # Whether the proxy cuts its path off or not.
        page = client.get("/tools/runwright/sign-in").text
        answer = client.post("/sign-in", data={"key": server.api_key, "next": "/projects"})

    links = re.findall(r'(?:href|src|action)="(/[^"]*)"', page)
    assert links
    assert all(link.startswith("/tools/runwright/") for link in links)
    assert answer.headers["location"] == "/tools/runwright/projects"
    assert "Path=/tools/runwright" in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    "prefix", ["//evil.example", "/a/../b c", "javascript:alert(1)", "/" + "a" * 500]
)
def test_a_prefix_that_is_none_is_not_heeded(server: RunwrightServer, prefix: str) -> None:
    page = httpx2.get(f"{server.url}/sign-in", headers={"x-forwarded-prefix": prefix}, timeout=60)

    assert 'action="/sign-in"' in page.text


def test_the_theme_is_kept(anna: Person) -> None:
    page = anna.go("/projects")
    page.get_by_role("button", name="Colors").click()

    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    anna.go("/")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
