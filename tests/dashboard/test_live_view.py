"""People who watch Runs, take them over, answer, share and record, in the dashboard."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx2
import pytest
from helpers import browsing, viewers
from helpers.browsing import Person
from helpers.server import RunwrightServer, eventually
from outside import pages, sign_in_site
from outside.sign_in_site import PASSWORD, USER, Site
from playwright.sync_api import Browser, Page, WebSocketRoute, expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]

_PAGE = """<!doctype html><title>The <b>till</b></title>
<style>
  body { margin: 0; background: #00c000; height: 3000px }
  input, button { position: absolute; left: 10px; width: 200px; height: 30px }
</style>
<input style="top: 10px"><button style="top: 60px" onclick="document.title = 'done'">Go</button>
"""
_LATE_PICTURES = """
const read = window.createImageBitmap;
const late = new Promise((resolve) => { window.letThem = resolve; });
window.held = 0;
window.createImageBitmap = async (...given) => {
  const bitmap = await read(...given);
  if (window.areLate) {
    window.held += 1;
    await late;
  }
  return bitmap;
};
"""
_PROJECT = {
    "pyproject.toml": "[tool.runwright]\n",
    "api/wait.py": """
async def automation(page, params):
    await page.goto(params['url'])
    await page.wait_for_function("document.title == 'done'", timeout=300_000)
    return await page.input_value('input')
""",
    "api/ask.py": """
from runwright import sdk
async def automation(page, params):
    await page.goto(params['url'])
    return await sdk.ask_person('Which <i>code</i> came?', timeout=300, secret=params['secret'])
""",
}


@pytest.fixture(scope="module")
def till() -> Iterator[str]:
    with pages.serving({"/": _PAGE}) as url:
        yield url


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with sign_in_site.serving() as found:
        yield found


@pytest.fixture(scope="module")
def watched(server: RunwrightServer) -> str:
    assert server.deploy("watched", _PROJECT)["status"] == "ready"
    return "watched"


def _click(page: Page, x: float, y: float) -> None:
    """Click at a place of the page that is shown."""
    canvas = page.locator("[data-live-canvas]")
    box = canvas.bounding_box()
    assert box is not None
    canvas.click(position={"x": x * box["width"] / 1280, "y": y * box["height"] / 800})


def test_a_person_watches_takes_over_and_gives_back(
    anna: Person, server: RunwrightServer, watched: str, till: str
) -> None:
    run_id = server.start(watched, "wait", {"url": till})
    page = anna.go(f"/projects/{watched}/runs/{run_id}")
    page.get_by_role("link", name="Live view").click()
    tab = page.get_by_role("button", name="The <b>till</b>")
    expect(tab).to_have_attribute("aria-pressed", "true")
    eventually(lambda: browsing.shows_green(page))
    findings = anna.findings()

    page.get_by_role("button", name="Take control").click()
    expect(page.get_by_role("button", name="Release control")).to_be_visible()
    expect(page.get_by_label("Address", exact=True)).to_have_value(f"{till}/")
    held = anna.findings()
    _click(page, 50, 25)
    page.keyboard.type("Grüße ✓")
    page.keyboard.press("Control+.")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Take control")).to_be_visible()
    page.get_by_role("button", name="Take control").click()
    expect(page.get_by_role("button", name="Release control")).to_be_visible()
    _click(page, 50, 75)
    expect(page.get_by_text("This run has ended: completed.")).to_be_visible()

    assert server.result(watched, run_id)["result"] == "Grüße ✓"
    assert findings == []
    assert held == []


def test_a_picture_that_is_read_late_hides_nothing_that_was_said_meanwhile(
    anna: Person, server: RunwrightServer, watched: str, till: str
) -> None:
    run_id = server.start(watched, "wait", {"url": till})
    anna.page.add_init_script(_LATE_PICTURES)
    page = anna.go(f"/projects/{watched}/runs/{run_id}/live")
    eventually(lambda: browsing.shows_green(page))
    page.evaluate("() => { window.areLate = true; }")
    page.get_by_role("button", name="Take control").click()
    _click(page, 50, 25)
    page.keyboard.type("x")
    eventually(lambda: page.evaluate("() => window.held > 0"))
    with server.client() as client:
        client.post(f"/projects/{watched}/run/{run_id}/cancel")
    said = page.get_by_text("This run has ended: canceled.")
    expect(said).to_be_visible()

    page.evaluate("async () => { window.letThem(); await new Promise(requestAnimationFrame); }")

    assert said.is_visible()


@pytest.mark.parametrize("secret", [False, True])
def test_a_person_answers_in_the_run_and_in_the_live_view(
    anna: Person, server: RunwrightServer, watched: str, till: str, secret: bool
) -> None:
    first = server.start(watched, "ask", {"url": till, "secret": secret})
    page = anna.go("/")
    page.get_by_role("link", name="Which <i>code</i> came?").click()
    field = page.get_by_label("Which <i>code</i> came?")
    expect(field).to_be_visible()
    assert (field.get_attribute("type") == "password") is secret
    findings = anna.findings()
    field.fill("12 34")
    page.get_by_role("button", name="Answer").click()
    assert server.result(watched, first)["result"] == "12 34"

    second = server.start(watched, "ask", {"url": till, "secret": secret})
    anna.go(f"/projects/{watched}/runs/{second}/live")
    page.get_by_label("Which <i>code</i> came?").fill("56")
    page.get_by_label("Which <i>code</i> came?").press("Enter")
    assert server.result(watched, second)["result"] == "56"

    third = server.start(watched, "ask", {"url": till, "secret": secret})
    anna.go(f"/projects/{watched}/runs/{third}/live")
    page.get_by_role("button", name="Done").click()
    assert server.result(watched, third)["result"] == ""
    assert findings == []


def test_a_shared_link_shows_and_takes_nothing(
    anna: Person, chromium: Browser, server: RunwrightServer, watched: str, till: str
) -> None:
    run_id = server.start(watched, "wait", {"url": till})
    page = anna.go(f"/projects/{watched}/runs/{run_id}/live")
    page.get_by_role("button", name="Share").click()
    findings = anna.findings()
    page.get_by_role("button", name="Create link").click()
    link = page.get_by_label("Link", exact=True)
    expect(link).to_have_value(re.compile(r"^http://127\.0\.0\.1:\d+/live/.+"))

    with browsing.visitor(chromium, server.url) as guest:
        guest.page.goto(link.input_value())
        eventually(lambda: browsing.shows_green(guest.page))
        expect(guest.page.get_by_role("button", name="Take control")).to_have_count(0)
        expect(guest.page.get_by_text("You can watch, but not take control.")).to_be_visible()
        seen = guest.findings()
        _click(guest.page, 50, 75)
        guest.go(f"/projects/{watched}/runs/{run_id}/live")
        expect(guest.page.get_by_label("API key")).to_be_visible()
        guest.page.goto(link.input_value().replace(run_id, "another"))
        expect(guest.page.get_by_text("This link is invalid")).to_be_visible()
        assert guest.complaints == []
    with server.client() as client:
        assert (
            client.post(f"/projects/{watched}/run/{run_id}/cancel").json()["status"] != "completed"
        )
    assert findings == []
    assert seen == []


def test_who_may_only_read_looks_and_does_not_touch(
    chromium: Browser, server: RunwrightServer, watched: str, till: str
) -> None:
    with server.client() as client:
        key = client.post("/keys", json={"name": "reader", "scopes": ["read"]}).json()["key"]
    run_id = server.start(watched, "ask", {"url": till, "secret": False})

    with browsing.person(chromium, server, key=key) as reader:
        page = reader.go(f"/projects/{watched}/runs/{run_id}/live")
        eventually(lambda: browsing.shows_green(page))
        expect(page.get_by_text("Which <i>code</i> came?")).to_be_visible()
        expect(page.get_by_role("button", name="Take control")).to_have_count(0)
        expect(page.get_by_role("button", name="Done")).to_have_count(0)
        path = f"{server.url}/projects/{watched}/runs/{run_id}/answer"
        refused = page.request.post(path, form={"answer": "1", "question": ""})

    assert refused.status == 403
    with server.client() as client:
        client.post(f"/projects/{watched}/run/{run_id}/cancel")


def test_a_lost_connection_is_made_again(
    anna: Person, server: RunwrightServer, watched: str, till: str
) -> None:
    run_id = server.start(watched, "wait", {"url": till})
    lost: list[WebSocketRoute] = []

    def connect(route: WebSocketRoute) -> None:
        if not lost:
            lost.append(route)
            route.connect_to_server()
            return
        route.connect_to_server()

    anna.page.route_web_socket("**/live/socket", connect)
    page = anna.go(f"/projects/{watched}/runs/{run_id}/live")
    eventually(lambda: browsing.shows_green(page))
    lost[0].close(code=1012)
    expect(page.get_by_text("The connection is lost.")).to_be_visible()
    expect(page.get_by_text("The connection is lost.")).to_be_hidden()
    page.get_by_role("button", name="Take control").click()
    expect(page.get_by_role("button", name="Release control")).to_be_visible()
    _click(page, 50, 75)

    expect(page.get_by_text("This run has ended: completed.")).to_be_visible()


def test_another_sites_page_opens_no_socket_with_a_persons_cookie(
    server: RunwrightServer, watched: str, till: str
) -> None:
    run_id = server.start(watched, "ask", {"url": till, "secret": False})
    with httpx2.Client(base_url=server.url, timeout=60) as client:
        client.post("/sign-in", data={"key": server.api_key})
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    url = f"{server.url}/projects/{watched}/runs/{run_id}/live/socket"

    def refusal(origin: str) -> int:
        with viewers.connected(url, {"cookie": cookie, "origin": origin}) as viewer:
            viewer.until(lambda: viewer.closed or viewer.state)
            return 0 if viewer.closed is None else viewer.closed[0]

    assert refusal("https://evil.example") == 4403
    assert refusal(server.url) == 0
    with server.client() as client:
        client.post(f"/projects/{watched}/run/{run_id}/cancel")


def _sign_in(page: Page, site: Site) -> None:
    for text in (USER, PASSWORD):
        page.keyboard.press("Tab")
        page.keyboard.type(text)
    page.keyboard.press("Enter")
    eventually(lambda: site.signed_in)


def test_a_person_records_a_session(anna: Person, server: RunwrightServer, site: Site) -> None:
    site.reset()
    server.deploy("recorded", sign_in_site.project(site))
    page = anna.go("/projects/recorded/auth-sessions")
    page.get_by_role("link", name="Record a sign-in").click()
    expect(page.get_by_role("heading", name="Record a session")).to_be_visible()
    findings = anna.findings()
    page.get_by_role("button", name="Open the browser").click()
    expect(page.get_by_role("alert")).to_contain_text("is missing")
    page.get_by_label("Name").fill("anna")
    page.get_by_label("Sign-in URL").fill(site.url)
    page.get_by_role("button", name="Open the browser").click()

    expect(page.get_by_role("button", name="Release control")).to_be_visible()
    expect(page.get_by_text("Sign in, then press Done.")).to_be_visible()
    recording = anna.findings()
    _click(page, 600, 400)
    _sign_in(page, site)
    page.get_by_role("button", name="Done").click()

    expect(page.get_by_text("is recorded")).to_be_visible(timeout=60_000)
    page.get_by_role("link", name="Auth sessions").last.click()
    expect(page.get_by_role("link", name="Record again anna")).to_be_visible()
    assert server.run("recorded", "home", authSession={"id": "anna"})["result"] == "Welcome"
    assert findings == []
    assert recording == []


def test_a_recording_that_is_given_up_says_so(
    anna: Person, server: RunwrightServer, site: Site
) -> None:
    site.reset()
    server.deploy("recorded", sign_in_site.project(site))
    anna.go("/projects/recorded/auth-sessions/record?session=given-up")
    page = anna.page
    page.get_by_label("Sign-in URL").fill(site.url)
    page.get_by_role("button", name="Open the browser").click()
    expect(page.get_by_role("button", name="Release control")).to_be_visible()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Discard").click()

    expect(page.locator("#run-head")).to_contain_text("canceled")
    assert "given-up" not in server.sessions("recorded")
