"""Signed-in Runs: AuthSessions are created once, stay valid, and are repaired once when they are not."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from helpers.server import RunwrightServer, eventually, files_holding, serving
from outside import proxies, sign_in_site
from outside.sign_in_site import PASSWORD, Site


@pytest.fixture(scope="module", name="running_site")
def _running_site() -> Generator[Site]:
    with sign_in_site.serving() as site:
        yield site


@pytest.fixture(scope="module", name="project")
def _project(server: RunwrightServer, running_site: Site) -> str:
    deployed = server.deploy("signed-in", sign_in_site.project(running_site))
    assert deployed["status"] == "ready", deployed["error"]
    return "signed-in"


@pytest.fixture(name="site")
def _site(server: RunwrightServer, running_site: Site, project: str) -> Site:
    """Return the site as it is when nobody has been there, for a project without sessions."""
    running_site.reset()
    with server.client() as client:
        for session_id in server.sessions(project):
            client.delete(f"/projects/{project}/auth-sessions/{session_id}")
    return running_site


@pytest.fixture(name="own_project")
def _own_project(server: RunwrightServer, site: Site, project: str) -> Generator[str]:
    """Return the project for a test that deploys to it, and put it back as it was."""
    yield project
    server.deploy(project, sign_in_site.project(site))


@pytest.fixture(name="anna")
def _anna(server: RunwrightServer, site: Site, project: str) -> dict[str, Any]:
    """Return what a Run names as its session, which is ready."""
    found = server.operate(project, "create", {"id": "anna", "parameters": site.parameters})
    assert found == {"status": "done", "authSessionId": "anna"}
    return {"id": "anna"}


def _failure(found: dict[str, Any]) -> dict[str, Any]:
    """Return why the session of a canceled Run was not good."""
    assert found["status"] == "canceled"
    assert found["reason"]["type"] == "auth-session-validate-dependency-failed"
    return found["reason"]["details"]


def test_a_run_starts_signed_in_and_a_lost_session_is_mended_once(
    server: RunwrightServer, site: Site, project: str, anna: dict[str, Any]
) -> None:
    assert server.run(project, "home", authSession=anna)["result"] == "Welcome"
    assert site.tries == 1

    site.sign_everyone_out()
    run_id = server.start(project, "home", authSession={**anna, "checkAttempts": 2})

    assert server.result(project, run_id)["result"] == "Welcome"
    assert site.tries == 2
    parts = server.detail(run_id)["parts"]
    assert [(each["kind"], each["status"], each["attempt"]) for each in parts] == [
        ("check", "failed", 2)
    ]
    assert parts[0]["error"]["code"] == "auth-check-failed"
    assert server.sessions(project) == {"anna": "READY"}


def test_many_runs_on_an_expired_session_cause_one_create_and_hold_nothing(
    site: Site, tmp_path: Path
) -> None:
    with serving(tmp_path / "data", RUNWRIGHT_SLOTS="2", RUNWRIGHT_RETRY_DELAY="0.1") as server:
        one_at_a_time = (
            "[tool.runwright.auth_sessions]\nenabled = true\n"
            "[tool.runwright.replication]\nmax_concurrent_requests = 1\n"
        )
        server.deploy("p", sign_in_site.project(site, **{"pyproject.toml": one_at_a_time}))
        server.deploy("other", {"api/a.py": "async def automation(page, params):\n    return 1\n"})
        server.operate("p", "create", {"id": "anna", "parameters": site.parameters})
        site.sign_everyone_out()
        site.opens.clear()

        run_ids = [server.start("p", "home", authSession={"id": "anna"}) for _ in range(20)]
        eventually(lambda: site.tries == 2)
        # All of them wait for one operation; the second slot serves others.
        assert server.run("other", "a")["result"] == 1
        assert {server.detail(run_id)["status"] for run_id in run_ids} == {"pending"}
        site.opens.set()
        results = [server.result("p", run_id) for run_id in run_ids]

        assert [found.get("result") for found in results] == ["Welcome"] * 20
        assert site.tries == 2


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"autoRecreate": False, "checkAttempts": 2}, "check-attempts-failed"),
        ({"createAttempts": 2, "checkAttempts": 1}, "create-attempts-failed"),
        ({"createAttempts": 2, "checkAttempts": 2}, "post-create-check-attempts-failed"),
    ],
)
def test_a_run_whose_session_cannot_be_mended_is_canceled_with_why(
    server: RunwrightServer,
    site: Site,
    own_project: str,
    anna: dict[str, Any],
    asked: dict[str, Any],
    code: str,
) -> None:
    site.sign_everyone_out()
    if code == "create-attempts-failed":
        files = sign_in_site.project(site)
        broken = {"auth-sessions/create.py": "async def create(page, params):\n    1 / 0\n"}
        server.deploy(own_project, {**files, **broken})
    site.signs_nobody_in = True

    failure = _failure(server.run(own_project, "home", authSession={**anna, **asked}))

    assert failure["code"] == code
    assert failure["category"] == "auth"
    assert [each["attempt"] for each in failure["details"]["attempts"]] == [1, 2]
    assert server.sessions(own_project) == {"anna": "EXPIRED"}
    # What happened to this Run binds no other: once the site works again the session is mended.
    site.signs_nobody_in = False
    server.deploy(own_project, sign_in_site.project(site))
    assert server.run(own_project, "home", authSession=anna)["result"] == "Welcome"


def test_operations_on_one_session_exclude_one_another(
    server: RunwrightServer, site: Site, project: str
) -> None:
    site.opens.clear()
    operation_id = server.begin(project, "create", {"id": "a", "parameters": site.parameters})
    eventually(lambda: site.tries == 1)
    with server.client() as client:
        base = f"/projects/{project}/auth-sessions"
        refused = [
            client.post(f"{base}/create", json={"id": "a", "parameters": {}}),
            client.post(f"{base}/a/update", json={"parameters": {}}),
            client.post(f"{base}/a/validate/start", json={}),
        ]
        started = client.get(f"{base}/create/{operation_id}/result").json()
    site.opens.set()

    assert [each.status_code for each in refused] == [409] * 3
    assert {each.json()["code"] for each in refused} == {"auth-session-already-in-use"}
    assert started["status"] == "in_progress"
    assert server.detail(started["runId"])["api"] == "auth-sessions/create"
    assert server.operation(project, "create", operation_id)["status"] == "done"
    with server.client() as client:
        again = client.post(f"{base}/create", json={"id": "a", "parameters": {}})
    assert (again.status_code, again.json()["code"]) == (409, "conflict")


def test_an_update_replaces_the_parameters_only_when_they_are_good(
    server: RunwrightServer, site: Site, project: str, anna: dict[str, Any]
) -> None:
    wrong = {"parameters": {**site.parameters, "password": "not-the-one"}, "createAttempts": 1}

    failed = server.operate(project, "anna/update", wrong)
    site.sign_everyone_out()
    after_wrong = server.run(project, "home", authSession=anna)
    updated = server.operate(project, "anna/update", {"parameters": site.parameters})

    assert failed["error"]["code"] == "create-attempts-failed"
    assert after_wrong["result"] == "Welcome"
    assert updated == {"status": "done", "authSessionId": "anna"}


def test_a_first_create_that_fails_leaves_nothing(
    server: RunwrightServer, site: Site, project: str
) -> None:
    wrong = {"id": "b", "parameters": {**site.parameters, "password": "not-the-one"}}

    failed = server.operate(project, "create", {**wrong, "createAttempts": 2})

    assert failed["error"]["code"] == "create-attempts-failed"
    assert site.tries == 2
    assert server.sessions(project) == {}
    done = server.operate(project, "create", {"id": "b", "parameters": site.parameters})
    assert done["status"] == "done"


def test_validating_checks_and_mends_only_where_it_may(
    server: RunwrightServer, site: Site, project: str, anna: dict[str, Any]
) -> None:
    good = server.operate(project, "anna/validate", {})
    tries_when_good = site.tries
    site.sign_everyone_out()
    only_checked = server.operate(project, "anna/validate", {"autoRecreate": False})
    status = server.sessions(project)
    mended = server.operate(project, "anna/validate", {})

    assert (good["status"], tries_when_good) == ("done", 1)
    assert only_checked["error"]["code"] == "check-attempts-failed"
    assert status == {"anna": "EXPIRED"}
    assert (mended["status"], site.tries) == ("done", 2)
    assert server.sessions(project) == {"anna": "READY"}


def test_removing_a_session_cancels_what_is_under_way_for_it(
    server: RunwrightServer, site: Site, project: str, anna: dict[str, Any]
) -> None:
    site.sign_everyone_out()
    site.opens.clear()
    run_id = server.start(project, "home", authSession={**anna, "checkAttempts": 1})
    eventually(lambda: site.tries == 2)
    with server.client() as client:
        removed = client.delete(f"/projects/{project}/auth-sessions/anna")
        gone = client.get(f"/projects/{project}/auth-sessions/anna")
        unknown = client.post(
            f"/projects/{project}/run/start",
            json={"api": "home", "parameters": {}, "authSession": anna},
        )
    failure = _failure(server.result(project, run_id))
    site.opens.set()

    assert (removed.status_code, gone.status_code, unknown.status_code) == (204, 404, 400)
    assert "anna" in failure["message"]
    assert server.sessions(project) == {}


def test_canceling_an_operation_lets_go_of_everything(
    server: RunwrightServer, site: Site, project: str
) -> None:
    site.opens.clear()
    operation_id = server.begin(project, "create", {"id": "c", "parameters": site.parameters})
    eventually(lambda: site.tries == 1)
    waiting = server.start(project, "home", authSession={"id": "c"})
    with server.client() as client:
        client.post(f"/projects/{project}/run/{operation_id}/cancel")
    canceled = server.operation(project, "create", operation_id)
    failure = _failure(server.result(project, waiting))
    site.opens.set()

    assert canceled["reason"]["type"] == "cancelled-user-action"
    assert failure["category"] == "auth"
    assert server.sessions(project) == {}
    assert (
        server.operate(project, "create", {"id": "c", "parameters": site.parameters})["status"]
        == "done"
    )


def test_a_canceled_run_that_waits_for_its_session_ends_at_once(
    server: RunwrightServer, site: Site, project: str, anna: dict[str, Any]
) -> None:
    site.sign_everyone_out()
    site.opens.clear()
    run_id = server.start(project, "home", authSession={**anna, "checkAttempts": 1})
    eventually(lambda: site.tries == 2)
    with server.client() as client:
        found = client.post(f"/projects/{project}/run/{run_id}/cancel").json()
    site.opens.set()

    assert found["status"] == "canceled"
    assert found["reason"]["type"] == "cancelled-user-action"
    eventually(lambda: server.sessions(project) == {"anna": "READY"})


def test_runtime_input_signs_in_for_its_run_and_is_gone_with_it(
    server: RunwrightServer, site: Site, project: str
) -> None:
    found = server.run(project, "home", authSession={"runtimeInput": site.parameters})
    wrong = {**site.parameters, "password": "not-the-one"}
    refused = server.run(project, "home", authSession={"runtimeInput": wrong, "createAttempts": 1})

    assert found["result"] == "Welcome"
    assert _failure(refused)["code"] == "create-attempts-failed"
    assert server.sessions(project) == {}


def test_a_named_runtime_session_is_used_again_for_the_same_input_alone(
    server: RunwrightServer, site: Site, project: str
) -> None:
    asked = {"id": "desk", "runtimeInput": site.parameters}
    for _ in range(2):
        assert server.run(project, "home", authSession=asked)["result"] == "Welcome"
    assert site.tries == 1
    assert server.sessions(project) == {"desk": "READY"}

    wrong = {**site.parameters, "password": "not-the-one"}
    other = server.run(
        project, "home", authSession={"id": "desk", "runtimeInput": wrong, "createAttempts": 1}
    )
    mine = server.run(project, "home", authSession=asked)

    # Whoever has another input never gets what was made from this one.
    assert _failure(other)["code"] == "create-attempts-failed"
    assert mine["result"] == "Welcome"


def test_a_recorded_session_is_used_and_cannot_be_made_again(
    server: RunwrightServer, site: Site, project: str
) -> None:
    cookie = {"name": "sid", "value": site.sign_in(), "domain": "127.0.0.1", "path": "/"}
    with server.client() as client:
        made = client.post(
            f"/projects/{project}/auth-sessions",
            json={"id": "rec", "storageState": {"cookies": [cookie], "origins": []}},
        )
    signed_in = server.run(project, "home", authSession={"id": "rec"})
    site.sign_everyone_out()
    signed_out = server.run(project, "home", authSession={"id": "rec", "checkAttempts": 1})

    assert made.status_code == 201
    assert (made.json()["type"], made.json()["status"]) == ("RECORDER", "READY")
    assert signed_in["result"] == "Welcome"
    assert _failure(signed_out)["code"] == "check-attempts-failed"
    assert site.tries == 0


@pytest.mark.parametrize(
    ("state", "path"),
    [
        ({"cookies": [{"name": "a"}]}, "storageState.cookies.0.value"),
        ({"origins": [{"origin": "file:///etc"}]}, "storageState.origins.0.origin"),
        (
            {"sessionStorage": [{"origin": "x", "items": {}}]},
            "storageState.sessionStorage.0.origin",
        ),
        ("text", "storageState"),
    ],
)
def test_a_state_that_is_none_is_refused(
    server: RunwrightServer, site: Site, project: str, state: Any, path: str
) -> None:
    with server.client() as client:
        answer = client.post(
            f"/projects/{project}/auth-sessions", json={"id": "x", "storageState": state}
        )

    assert answer.status_code == 400
    assert path in [each["path"] for each in answer.json()["details"]]
    assert server.sessions(project) == {}


def test_a_state_that_no_browser_takes_cancels_the_run_with_why(
    server: RunwrightServer, site: Site, project: str
) -> None:
    cookie = {"name": "a", "value": "b", "domain": "not a domain", "path": "nor a path"}
    with server.client() as client:
        client.post(
            f"/projects/{project}/auth-sessions",
            json={"id": "odd", "storageState": {"cookies": [cookie]}},
        )

    failure = _failure(server.run(project, "home", authSession={"id": "odd", "checkAttempts": 1}))

    assert failure["code"] == "check-attempts-failed"
    assert "could not be restored in the browser" in failure["message"]


def test_a_state_that_is_too_large_is_refused(site: Site, tmp_path: Path) -> None:
    with serving(tmp_path / "data", RUNWRIGHT_MAX_AUTH_STATE_BYTES="50") as server:
        server.deploy("p", sign_in_site.project(site))
        failed = server.operate("p", "create", {"id": "s", "parameters": site.parameters})
        with server.client() as client:
            origins = [{"origin": "http://a", "localStorage": [{"name": "n", "value": "v" * 100}]}]
            uploaded = client.post(
                "/projects/p/auth-sessions", json={"storageState": {"origins": origins}}
            )

        assert failed["error"]["code"] == "create-attempts-failed"
        assert "50 are kept" in failed["message"]
        assert uploaded.status_code == 413
        assert server.sessions("p") == {}


def test_what_a_run_ends_with_is_kept_where_the_site_gives_new_cookies(
    server: RunwrightServer, site: Site, project: str, anna: dict[str, Any]
) -> None:
    site.rolls = True

    results = [server.run(project, "home", authSession=anna)["result"] for _ in range(4)]

    assert results == ["Welcome"] * 4
    assert site.tries == 1


def test_a_check_that_passed_lately_is_not_repeated_where_so_asked(
    server: RunwrightServer, site: Site, own_project: str, anna: dict[str, Any]
) -> None:
    before = len(site.visits)
    server.run(own_project, "home", authSession={**anna, "checkEvery": 600})
    without_check = len(site.visits) - before
    site.sign_everyone_out()
    # A failure may be the sign-in's: the next Attempt is checked whatever was asked.
    strict = (
        "async def automation(page, params):\n"
        f"    await page.goto('{site.url}/home')\n"
        "    assert await page.inner_text('h1') == 'Welcome'\n    return 'in'\n"
    )
    server.deploy(own_project, sign_in_site.project(site, **{"api/home.py": strict}))
    found = server.run(
        own_project, "home", authSession={**anna, "checkEvery": 600}, retry={"maximumAttempts": 2}
    )

    assert without_check == 1
    assert found["result"] == "in"


def test_sessions_that_code_declares_are_made_changed_and_removed_by_deploying(
    server: RunwrightServer, site: Site, own_project: str
) -> None:
    def declared(password: str) -> dict[str, str]:
        text = f'// the shop\n{{"parameters": {{"url": "{site.url}", "user": "{sign_in_site.USER}", "password": "{password}",}}}}'
        return {"intuned-resources/auth-sessions/shops/main.auth-session.jsonc": text}

    deployed = server.deploy(own_project, {**sign_in_site.project(site), **declared(PASSWORD)})
    assert deployed["status"] == "ready", deployed["error"]
    eventually(lambda: server.sessions(own_project) == {"main": "READY"})
    server.deploy(own_project, {**sign_in_site.project(site), **declared(PASSWORD)})
    assert site.tries == 1
    with server.client() as client:
        base = f"/projects/{own_project}/auth-sessions/main"
        refused = [
            client.post(f"{base}/update", json={"parameters": {}}).status_code,
            client.delete(base).status_code,
        ]
        assert client.get(base).json()["source"] == "CODE"
    server.deploy(own_project, {**sign_in_site.project(site), **declared("another-one")})
    eventually(lambda: site.tries > 1)
    server.deploy(own_project, sign_in_site.project(site))

    assert refused == [409, 409]
    assert server.sessions(own_project) == {}


def test_the_session_goes_through_its_own_proxy(
    server: RunwrightServer, site: Site, project: str, tmp_path: Path
) -> None:
    with proxies.serving(tmp_path, "u", "p-word") as (port, log_file):
        proxy = f"http://u:p-word@127.0.0.1:{port}"
        server.operate(
            project, "create", {"id": "anna", "parameters": site.parameters, "proxy": proxy}
        )
        made_with = log_file.read_text().count(site.url.removeprefix("http://"))
        found = server.run(project, "home", authSession={"id": "anna"})
        used_with = log_file.read_text().count(site.url.removeprefix("http://"))

    assert found["result"] == "Welcome"
    assert made_with > 0
    assert used_with > made_with


def test_the_time_limit_of_a_session_is_of_its_own(
    server: RunwrightServer, site: Site, project: str, anna: dict[str, Any]
) -> None:
    site.sign_everyone_out()
    site.opens.clear()

    found = server.run(
        project,
        "home",
        authSession={**anna, "checkAttempts": 1, "createAttempts": 1, "requestTimeout": 1},
    )
    site.opens.set()

    failure = _failure(found)
    assert failure["code"] == "create-attempts-failed"
    assert failure["details"]["attempts"][0]["code"] == "script-timeout"


def test_secrets_show_nowhere_that_a_caller_or_a_disk_could_see(site: Site, tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        server.deploy("p", sign_in_site.project(site))
        asked = {"id": "anna", "parameters": site.parameters, "saveTrace": True}
        created = server.begin("p", "create", asked)
        assert server.operation("p", "create", created)["status"] == "done"
        site.rolls = True
        run_id = server.start("p", "home", authSession={"id": "anna"})
        assert server.result("p", run_id)["result"] == "Welcome"
        secret_input = {**site.parameters, "password": "an0ther-h0rse"}
        refused_id = server.start(
            "p", "home", authSession={"runtimeInput": secret_input, "createAttempts": 1}
        )
        _failure(server.result("p", refused_id))
        answers, traces = _all_that_is_told(server, created, run_id, refused_id)

    secrets = [PASSWORD, "an0ther-h0rse", *site.given]
    assert "signing in as" in answers
    assert not _seen(answers.encode(), secrets)
    # The Run's, and those of the create and check that asked for it.
    assert len(traces) == 3
    for content in traces:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                assert not _seen(archive.read(name), secrets), name
    # The database's own files, with all it ever wrote, and everything else that stays on disk.
    assert files_holding(server.data_dir, *secrets) == []
    assert any(file.parent.name == "pg_wal" for file in files_holding(server.data_dir, run_id))


def _all_that_is_told(
    server: RunwrightServer, created: str, run_id: str, refused_id: str
) -> tuple[str, list[bytes]]:
    """Return all answers about the Runs and what belongs to them, and all traces."""
    repair = server.detail(refused_id)["authSession"]["waitedFor"]
    parts = [part["runId"] for each in (created, repair) for part in server.detail(each)["parts"]]
    eventually(lambda: server.detail(run_id)["files"])
    with server.client() as client:
        told = client.get("/projects/p/auth-sessions").text
        traces: list[bytes] = []
        for each in (created, run_id, refused_id, repair, *parts):
            told += client.get(f"/projects/p/run/{each}/logs").text
            told += client.get(f"/runs/{each}").text
            files = server.detail(each)["files"]
            paths = [f"/projects/p/run/{each}/files/{file['id']}" for file in files]
            traces += [client.get(path).content for path in paths]
    return told, traces


def _seen(content: bytes, secrets: list[str]) -> list[str]:
    return [secret for secret in secrets if secret.encode() in content]
