"""axe finds nothing on any page, in either theme, wide or narrow."""

from __future__ import annotations

import pytest
from helpers.browsing import Person
from helpers.server import RunwrightServer, eventually

BANK = {
    "pyproject.toml": "[tool.runwright.auth_sessions]\nenabled = true\n",
    "api/balance.py": "async def automation(page, params):\n    return 1\n",
    "auth-sessions/check.py": "async def check(page):\n    return True\n",
    "auth-sessions/create.py": "async def create(page, params):\n    pass\n",
}


@pytest.fixture(scope="module")
def paths(server: RunwrightServer, shop: str) -> list[str]:
    """Make something to see on every page; return the addresses."""
    sink = {"type": "webhook", "url": "http://127.0.0.1:9/"}
    done = server.start(shop, "prices", {"shop": "lamps"}, sink=sink)
    failed = server.start(shop, "broken", {}, retry={"maximumAttempts": 2})
    tersely = server.start(shop, "half", {"fail": True})
    for run_id in (done, failed, tersely):
        server.result(shop, run_id)
    assert server.deploy("dashboard-bank", BANK)["status"] == "ready"
    assert (
        server.operate("dashboard-bank", "create", {"id": "anna", "parameters": {}})["status"]
        == "done"
    )
    broken = server.deploy("dashboard-bank", {"api/x.py": "import nothing_like_it\n"})
    eventually(lambda: server.detail(failed)["files"])
    with server.client() as client:
        delivery = client.get(f"/projects/{shop}/deliveries").json()["deliveries"][0]["deliveryId"]
        client.put(f"/projects/{shop}/variables/TOKEN", json={"value": "x"})
        job = {
            "id": "seen",
            "payload": [{"apiName": "prices", "parameters": {"shop": "x"}}],
            "configuration": {},
            "schedule": {"intervals": [{"every": "1h"}]},
        }
        client.post(f"/projects/{shop}/jobs", json=job)
        job_run = client.post(f"/projects/{shop}/jobs/seen/trigger").json()["jobRunId"]
    here = f"/projects/{shop}"
    return [
        "/",
        "/projects",
        "/system",
        here,
        f"{here}/runs",
        f"{here}/runs?status=canceled&text=nothing-like-it",
        f"{here}/runs/{done}",
        f"{here}/runs/{failed}",
        f"{here}/playground",
        f"{here}/playground?api=broken",
        f"{here}/jobs",
        f"{here}/jobs/seen",
        f"{here}/jobs/seen/edit",
        f"{here}/jobs/seen/runs/{job_run}",
        f"{here}/deployments",
        f"/projects/dashboard-bank/deployments/{broken['id']}",
        f"{here}/variables",
        f"{here}/settings",
        f"{here}/openapi",
        f"{here}/deliveries",
        f"{here}/deliveries/{delivery}",
        "/projects/dashboard-bank/auth-sessions",
        "/projects/nothing-here",
    ]


@pytest.mark.parametrize(
    ("theme", "width"), [("light", 1280), ("dark", 390)], ids=["light-wide", "dark-narrow"]
)
def test_axe_finds_nothing(anna: Person, paths: list[str], theme: str, width: int) -> None:
    anna.page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    anna.page.set_viewport_size({"width": width, "height": 900})
    found: list[str] = []

    for path in paths:
        page = anna.go(path)
        page.wait_for_load_state("load")
        page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
        found += [f"{path}: {finding}" for finding in anna.findings()]
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append(f"{path} is wider than the window")

    assert not found, "\n".join(found)


def test_axe_finds_nothing_on_the_way_in(anna: Person) -> None:
    page = anna.go("/")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("API key").wait_for()

    assert anna.findings() == []


def test_axe_finds_nothing_in_what_opens_over_a_page(anna: Person) -> None:
    page = anna.go("/projects")
    page.keyboard.press("Control+k")
    page.get_by_role("option").first.wait_for()
    palette = anna.findings()
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="hidden")
    page.keyboard.press("?")
    page.get_by_role("heading", name="Keyboard shortcuts").wait_for()

    assert palette == []
    assert anna.findings() == []
