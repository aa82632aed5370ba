"""Signed-in Jobs: the AuthSession is prepared first, held, and pauses the JobRun if it becomes invalid midway."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import httpx2
import pytest
from helpers.server import RunwrightServer, eventually
from outside import sign_in_site
from outside.sign_in_site import Site

PROJECT = "job-sessions"
_ENDED = ("SUCCESS", "FAILURE", "COMPLETED", "TERMINATED", "CANCELED")


@pytest.fixture(scope="module", name="site")
def _site(server: RunwrightServer) -> Generator[Site]:
    with sign_in_site.serving() as site:
        deployed = server.deploy(PROJECT, sign_in_site.project(site))
        assert deployed["status"] == "ready", deployed["error"]
        yield site


@pytest.fixture(name="http")
def _http(server: RunwrightServer, site: Site) -> Generator[httpx2.Client]:
    site.reset()
    with server.client() as client:
        yield client


def _session(server: RunwrightServer, site: Site, session_id: str) -> None:
    body = {"id": session_id, "parameters": site.parameters}
    done = server.operate(PROJECT, "create", body)
    assert done["status"] == "done", done


def _create(http: httpx2.Client, job_id: str, session_id: str, count: int = 3) -> httpx2.Response:
    body = {
        "id": job_id,
        "payload": [{"apiName": "home", "parameters": {}}] * count,
        "configuration": {"maxConcurrentRequests": 1},
        "auth_session": {"id": session_id, "checkAttempts": 1, "createAttempts": 1},
    }
    return http.post(f"/projects/{PROJECT}/jobs", json=body)


def _trigger(http: httpx2.Client, job_id: str) -> str:
    answer = http.post(f"/projects/{PROJECT}/jobs/{job_id}/trigger")
    assert answer.status_code == 200, answer.text
    return answer.json()["jobRunId"]


def _until(http: httpx2.Client, job_id: str, job_run_id: str, *states: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        path = f"/projects/{PROJECT}/jobs/{job_id}/runs/{job_run_id}"
        found = http.get(path).json()["jobRun"]
        return found if found["status"] in (states or _ENDED) else None

    return eventually(look, within=60)


def _items(http: httpx2.Client, job_run_id: str) -> list[dict[str, Any]]:
    params = {"jobRunId": job_run_id}
    return http.get(f"/projects/{PROJECT}/runs", params=params).json()["runs"]


def test_the_session_is_repaired_once_before_the_first_item(
    http: httpx2.Client, server: RunwrightServer, site: Site
) -> None:
    _session(server, site, "first")
    assert _create(http, "signed", "first").status_code == 201
    site.sign_everyone_out()
    tries = site.tries

    job_run_id = _trigger(http, "signed")
    found = _until(http, "signed", job_run_id)

    assert (found["status"], found["successful_runs"]) == ("SUCCESS", 3)
    assert found["job_configuration_snapshot"]["auth_session"]["id"] == "first"
    assert site.tries == tries + 1


def test_a_session_that_cannot_be_made_good_cancels_it_before_it_begins(
    http: httpx2.Client, server: RunwrightServer, site: Site
) -> None:
    _session(server, site, "lost")
    _create(http, "unsigned", "lost")
    site.sign_everyone_out()
    site.signs_nobody_in = True

    job_run_id = _trigger(http, "unsigned")
    found = _until(http, "unsigned", job_run_id)
    reasons = [
        http.get(f"/projects/{PROJECT}/run/{each['runId']}/result").json()["reason"]["type"]
        for each in _items(http, job_run_id)
    ]

    assert found["status"] == "CANCELED"
    assert found["reason"]["type"] == "auth-session-validate-dependency-failed"
    assert (found["payloads"], found["failed_runs"]) == (3, 0)
    assert reasons == ["failed-to-initialize-job-run"] * 3


def test_a_session_that_turns_bad_in_the_middle_pauses_it_and_a_repaired_one_goes_on(
    http: httpx2.Client, server: RunwrightServer, site: Site
) -> None:
    _session(server, site, "middle")
    _create(http, "stopped", "middle", count=5)
    job_run_id = _trigger(http, "stopped")

    def has_begun() -> bool:
        return any(each["status"] == "completed" for each in _items(http, job_run_id))

    eventually(has_begun, within=60)
    site.signs_nobody_in = True
    site.sign_everyone_out()
    paused = _until(http, "stopped", job_run_id, "PAUSED")
    job = next(
        each for each in http.get(f"/projects/{PROJECT}/jobs").json() if each["id"] == "stopped"
    )
    site.signs_nobody_in = False
    http.post(f"/projects/{PROJECT}/jobs/stopped/resume")
    found = _until(http, "stopped", job_run_id)

    assert paused["reason"]["type"] == "auth-session-invalid-mid-job"
    assert "Repair the session, then resume the job" in paused["reason"]["message"]
    assert job["state"] == "PAUSED"
    assert paused["failed_runs"] == 0
    assert (found["status"], found["successful_runs"]) == ("SUCCESS", 5)


def test_a_session_that_is_still_bad_at_resume_leaves_it_paused(
    http: httpx2.Client, server: RunwrightServer, site: Site
) -> None:
    _session(server, site, "still")
    job_run_id = _trigger_paused(http, site)

    site.signs_nobody_in = True
    site.sign_everyone_out()
    http.post(f"/projects/{PROJECT}/jobs/held/resume")
    found = _until(http, "held", job_run_id, "PAUSED")
    site.reset()
    http.post(f"/projects/{PROJECT}/jobs/held/resume")
    ended = _until(http, "held", job_run_id)

    assert found["reason"]["type"] == "auth-session-invalid-mid-job"
    assert (ended["status"], ended["successful_runs"]) == ("SUCCESS", 3)


def _trigger_paused(http: httpx2.Client, site: Site) -> str:
    """Return a JobRun that was paused while its session was being seen to."""
    _create(http, "held", "still")
    site.sign_everyone_out()
    site.opens.clear()
    job_run_id = _trigger(http, "held")
    http.post(f"/projects/{PROJECT}/jobs/held/pause")
    _until(http, "held", job_run_id, "PAUSED")
    site.opens.set()
    return job_run_id


def test_a_job_run_holds_its_session_against_others(
    http: httpx2.Client, server: RunwrightServer, site: Site
) -> None:
    _session(server, site, "shared")
    _create(http, "holds", "shared")
    _create(http, "wants", "shared")
    site.sign_everyone_out()
    site.opens.clear()

    first = _trigger(http, "holds")
    second = _trigger(http, "wants")
    refused = _until(http, "wants", second)
    site.opens.set()
    held = _until(http, "holds", first)
    third = _until(http, "wants", _trigger(http, "wants"))

    assert (refused["status"], refused["reason"]["type"]) == ("CANCELED", "auth-session-locked")
    assert "`holds`" in refused["reason"]["message"]
    assert held["status"] == third["status"] == "SUCCESS"


def test_a_job_without_the_session_that_its_project_needs_is_refused(
    http: httpx2.Client, server: RunwrightServer, site: Site
) -> None:
    body = {"id": "none", "payload": [], "configuration": {}}
    without = http.post(f"/projects/{PROJECT}/jobs", json=body)
    _create(http, "unknown", "never-made")
    found = _until(http, "unknown", _trigger(http, "unknown"))

    assert without.status_code == 400
    assert [each["path"] for each in without.json()["details"]] == ["auth_session"]
    assert (found["status"], found["reason"]["type"]) == ("CANCELED", "auth-session-not-found")
