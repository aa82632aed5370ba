"""The recorder: a person signs in, in a browser inside the page, and the state becomes a RECORDER session."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from helpers.server import RunwrightServer, eventually, files_holding, serving
from helpers.viewers import Viewer, watching
from outside import sign_in_site, two_factor_site
from outside.sign_in_site import PASSWORD, USER, Site
from pyotp.totp import TOTP

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with sign_in_site.serving() as found:
        yield found


@pytest.fixture(autouse=True)
def fresh(site: Site) -> None:
    site.reset()


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunwrightServer]:
    data_dir = tmp_path_factory.mktemp("recorder") / "data"
    with serving(data_dir, RUNWRIGHT_RETRY_DELAY="0.1") as found:
        yield found


def _record(server: RunwrightServer, project: str, **body: Any) -> str:
    return server.begin(project, "record", body)


def _type(viewer: Viewer, *texts: str) -> None:
    """Type into the page's fields, one after the other, and send the form."""
    for text in texts:
        viewer.press("Tab", "Tab", 9)
        viewer.send("text", text=text)
    viewer.press("Enter", "Enter", 13)


def _heading(viewer: Viewer, url: str) -> bool:
    return any(page["url"] == url for page in viewer.state.get("pages", []))


def test_reaching_the_finish_url_saves_the_session(own: RunwrightServer, site: Site) -> None:
    own.deploy("records", sign_in_site.project(site))
    operation = _record(
        own, "records", id="anna", startUrl=f"{site.url}/", finishUrl=f"{site.url}/sign-in"
    )

    with watching(own, "records", operation) as viewer:
        viewer.until(lambda: _heading(viewer, f"{site.url}/") and viewer.frames)
        asked = viewer.until(lambda: viewer.state["question"])
        viewer.take_control()
        _type(viewer, USER, PASSWORD)
        viewer.until_closed()

    done = own.operation("records", "record", operation)
    with own.client() as client:
        session = client.get("/projects/records/auth-sessions/anna").json()
        log = client.get(f"/projects/records/run/{operation}/logs").text
    assert asked["text"] == "Sign in, then press Done."
    assert done == {"status": "done", "authSessionId": "anna"}
    assert (session["type"], session["status"]) == ("RECORDER", "READY")
    assert own.run("records", "home", authSession={"id": "anna"})["result"] == "Welcome"
    assert PASSWORD not in log
    holding = files_holding(own.data_dir, PASSWORD, *site.given)
    # What a Runner holds while it lives is removed with it.
    assert [file for file in holding if "runners" not in file.parts] == []
    assert any(file.parent.name == "pg_wal" for file in files_holding(own.data_dir, operation))


def test_done_saves_the_session_where_the_project_names_no_finish_url(
    own: RunwrightServer, site: Site
) -> None:
    own.deploy("manual", _manual(site, start=site.url))
    operation = _record(own, "manual", id="by-hand")

    with watching(own, "manual", operation) as viewer:
        viewer.until(lambda: viewer.frames and viewer.state["question"])
        viewer.take_control()
        _type(viewer, USER, PASSWORD)
        viewer.until(lambda: site.signed_in and _heading(viewer, f"{site.url}/sign-in"))
        with own.client() as client:
            client.post(f"/projects/manual/run/{operation}/answer", json={"answer": ""})
        viewer.until_closed()

    assert own.operation("manual", "record", operation)["status"] == "done"
    assert own.run("manual", "home", authSession={"id": "by-hand"})["result"] == "Welcome"


def test_a_two_factor_sign_in_is_recorded_and_a_session_recorded_again(
    own: RunwrightServer,
) -> None:
    with two_factor_site.serving() as url:
        own.deploy("two-factor", _two_factor(url))
        for _ in range(2):
            operation = _record(own, "two-factor", id="berta")
            with watching(own, "two-factor", operation) as viewer:
                viewer.until(lambda: viewer.frames and viewer.state["question"])
                viewer.take_control()
                _type(viewer, two_factor_site.USER, two_factor_site.PASSWORD)
                viewer.until(lambda: _heading(viewer, f"{url}/code"))
                _type(viewer, _code())
                viewer.until_closed()
            found = own.operation("two-factor", "record", operation)
            assert found == {"status": "done", "authSessionId": "berta"}

        assert own.run("two-factor", "who", authSession={"id": "berta"})["result"] == (
            f"Signed in as {two_factor_site.USER}"
        )


def test_who_has_not_signed_in_makes_no_session(own: RunwrightServer, site: Site) -> None:
    own.deploy("records", sign_in_site.project(site))
    operation = _record(own, "records", id="nobody", startUrl=site.url, checkAttempts=1)
    with watching(own, "records", operation) as viewer:
        viewer.until(lambda: viewer.frames and viewer.state["question"])
        with own.client() as client:
            client.post(f"/projects/records/run/{operation}/answer", json={"answer": ""})
        viewer.until_closed()

    found = own.operation("records", "record", operation)

    assert found["status"] == "failed"
    assert found["error"]["code"] == "post-create-check-attempts-failed"
    assert "nobody" not in own.sessions("records")


def test_a_recording_ends_by_itself_and_can_be_canceled(own: RunwrightServer, site: Site) -> None:
    own.deploy("records", sign_in_site.project(site))
    canceled = _record(own, "records", id="canceled", startUrl=site.url)
    with watching(own, "records", canceled) as viewer:
        viewer.until(lambda: viewer.state.get("question"))
        with own.client() as client:
            client.post(f"/projects/records/run/{canceled}/cancel")
        viewer.until_closed()

    assert own.operation("records", "record", canceled)["status"] == "canceled"
    assert own.sessions("records").get("canceled") is None


def test_what_cannot_be_recorded_is_refused(own: RunwrightServer, site: Site) -> None:
    own.deploy("records", sign_in_site.project(site))
    own.operate("records", "create", {"id": "made", "parameters": site.parameters})
    path = "/projects/records/auth-sessions/record"

    with own.client() as client:
        no_start = client.post(path, json={"id": "a"})
        wrong = client.post(path, json={"startUrl": "file:///etc/passwd"})
        otherwise = client.post(path, json={"id": "made", "startUrl": site.url})
        reserved = client.post(path, json={"id": "record", "startUrl": site.url})

    assert [each.status_code for each in (no_start, wrong, otherwise, reserved)] == [
        400, 400, 409, 400,
    ]  # fmt: skip
    assert "startUrl" in no_start.text


def _code() -> str:
    class Code(TOTP):
        min_secret_length_bits = 0

    return Code(two_factor_site.SECRET).now()


def _manual(site: Site, *, start: str) -> dict[str, str]:
    """Return a project of the other format whose sessions are made by hand."""
    files = {**sign_in_site.project(site)}
    del files["auth-sessions/create.py"]
    files["pyproject.toml"] = "[project]\nname = 'manual'\nversion = '1'\n"
    files["Intuned.jsonc"] = (
        '{"projectName": "manual", "authSessions": {"enabled": true, "type": "MANUAL", '
        f'"startUrl": "{start}"}}}}'
    )
    return files


def _two_factor(url: str) -> dict[str, str]:
    visit = f"    await page.goto('{url}')\n    return await page.inner_text('main')"
    return {
        "pyproject.toml": (
            "[tool.runwright.auth_sessions]\nenabled = true\n"
            f"start_url = '{url}'\nfinish_url = '{url}/done'\n"
        ),
        "auth-sessions/check.py": (
            f"async def check(page):\n{visit}.startswith('Signed in')\n".replace(
                "return await page.inner_text('main')", "return (await page.inner_text('main'))"
            )
        ),
        "api/who.py": f"async def automation(page, params):\n{visit}\n",
    }


def test_nobody_watching_frees_the_runner_in_the_end(own: RunwrightServer, site: Site) -> None:
    own.deploy("records", sign_in_site.project(site))

    operation = own.begin("records", "record", {"id": "late", "startUrl": site.url, "timeout": 10})

    found = own.operation("records", "record", operation, within=60)
    assert found["status"] == "failed"
    assert "nobody signed in" in found["error"]["message"]
    assert eventually(lambda: "late" not in own.sessions("records"))
