"""Whichever process dies while someone is watching: the Run is unharmed, and the viewer sees it again or is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import clusters
from helpers.server import RunwrightServer, eventually, serving
from helpers.viewers import Viewer, watching
from outside import pages

_PAGE = (
    "<!doctype html><title>Page</title><body style='margin:0'>"
    "<button style='position:absolute;left:0;top:0;width:200px;height:100px' "
    "onclick=\"document.title='done'\">Go</button>"
)
_PROJECT = {
    "pyproject.toml": "[tool.runwright]\n",
    "api/wait.py": (
        "async def automation(page, params):\n"
        "    await page.goto(params['url'])\n"
        "    await page.wait_for_function(\"document.title == 'done'\", timeout=90_000)\n"
        "    return 'unharmed'\n"
    ),
    "api/ask.py": (
        "from runwright import sdk\n"
        "async def automation(page, params):\n"
        "    return await sdk.ask_person('Who?')\n"
    ),
}


@pytest.fixture(name="site")
def _site() -> Iterator[str]:
    with pages.serving({"/": _PAGE}) as url:
        yield url


def _seen(viewer: Viewer, site: str) -> bool:
    there = [page["url"].startswith(site) for page in viewer.state.get("pages", [])]
    return any(there) and bool(viewer.frames)


def _finish(viewer: Viewer) -> None:
    viewer.take_control()
    viewer.click(50, 50)
    viewer.until_closed()


def test_a_worker_that_is_killed_takes_no_viewer_with_it_and_what_it_asked_is_asked_again(
    site: str, tmp_path: Path
) -> None:
    with (
        clusters.postgresql(tmp_path / "pg") as url,
        serving(tmp_path / "data", "--no-worker", **clusters.settings(tmp_path, url)) as server,
        clusters.worker(tmp_path / "a", url) as first,
    ):
        server.deploy("p", _PROJECT)
        run_id = server.start("p", "wait", {"url": site}, retry={"maximumAttempts": 2})
        asking_id = server.start("p", "ask", retry={"maximumAttempts": 2})
        lost = eventually(lambda: server.detail(asking_id)["question"])
        with watching(server, "p", run_id) as viewer:
            viewer.until(lambda: _seen(viewer, site))
            first.kill()
            first.wait()
            viewer.until(lambda: viewer.messages[-1]["type"] == "waiting")
            viewer.frames.clear()
            viewer.state.clear()
            with clusters.worker(tmp_path / "b", url):
                viewer.until(lambda: _seen(viewer, site), within=60)
                _finish(viewer)
                result = server.result("p", run_id)
                attempts = server.detail(run_id)["attempts"]
                late, answered = _answer_the_next(server, asking_id, lost["id"])

        assert result["result"] == "unharmed"
        assert [each["status"] for each in attempts] == ["failed", "completed"]
        assert late == 409
        assert answered == "b"


def test_a_server_that_is_killed_harms_no_run_and_another_shows_it(
    site: str, tmp_path: Path
) -> None:
    with (
        clusters.postgresql(tmp_path / "pg") as url,
        serving(tmp_path / "one", "--no-worker", **clusters.settings(tmp_path, url)) as one,
        serving(tmp_path / "two", "--no-worker", **clusters.settings(tmp_path, url)) as two,
        clusters.worker(tmp_path / "w", url),
    ):
        one.deploy("p", _PROJECT)
        run_id = one.start("p", "wait", {"url": site})
        asking_id = one.start("p", "ask")
        with watching(one, "p", run_id) as viewer, watching(two, "p", run_id) as other:
            viewer.until(lambda: _seen(viewer, site))
            other.until(lambda: _seen(other, site))
            one.process.kill()
            one.process.wait()
            viewer.until_closed()
            # Whoever watches through the other server notices nothing but that.
            other.until(lambda: other.state["viewers"] == 1)
        eventually(lambda: two.detail(asking_id)["question"])
        with two.client() as client:
            client.post(f"/projects/p/run/{asking_id}/answer", json={"answer": "me"})
        with watching(two, "p", run_id) as viewer:
            viewer.until(lambda: _seen(viewer, site))
            _finish(viewer)

        assert two.result("p", run_id)["result"] == "unharmed"
        assert two.result("p", asking_id)["result"] == "me"
        assert len(two.detail(run_id)["attempts"]) == 1


def _answer_the_next(server: RunwrightServer, run_id: str, lost: str) -> tuple[int, str]:
    """Answer the question that was lost, then the one that is asked; return what comes of it."""
    asked = eventually(lambda: _other_question(server, run_id, lost))
    with server.client() as client:
        path = f"/projects/p/run/{run_id}/answer"
        late = client.post(path, json={"answer": "a", "questionId": lost})
        client.post(path, json={"answer": "b", "questionId": asked["id"]})
    return late.status_code, server.result("p", run_id)["result"]


def _other_question(server: RunwrightServer, run_id: str, known: str) -> dict[str, str] | None:
    found = server.detail(run_id)["question"]
    return None if found is None or found["id"] == known else found
