"""Watching a Run live and taking it over: end to end, from the page in Chromium to a WebSocket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from helpers import viewers
from helpers.server import RunwrightServer, eventually
from helpers.viewers import Viewer, watching
from outside import pages

pytestmark = [pytest.mark.browser, pytest.mark.slow]

_PAGE = """<!doctype html><title>The page</title>
<style>
  body { margin: 0; height: 3000px }
  input, button { position: absolute; left: 10px; width: 200px; height: 30px }
</style>
<input style="top: 10px"><button style="top: 60px" onclick="document.title = 'done'">Go</button>
<script>
  let n = 0;
  window.flicker = () => setInterval(() => { document.body.style.background = `hsl(${n++}, 90%, 50%)` }, 16);
</script>
"""
_LIST = """\
<select style="position: absolute; top: 110px; left: 10px; width: 200px; height: 30px"
  onchange="document.querySelector('input').value = `chose ${this.value}`">
  <option value="at">Austria</option><option value="be" disabled>Belgium</option>
  <option value="cl">&lt;b>Chile&lt;/b></option>
</select>
"""
_BUSY = """<!doctype html><title>Busy</title><h1>Painted once</h1>
<script>
  setInterval(() => { const begun = Date.now(); while (Date.now() - begun < 600); }, 20);
</script>
"""
_PROJECT = {
    "pyproject.toml": "[tool.runwright]\n",
    "api/wait.py": """
import asyncio
import os

async def automation(page, params):
    await page.goto(params['url'])
    if params.get('tab'):
        other = await page.context.new_page()
        await other.goto(params['tab'])
    if params.get('flicker'):
        await page.evaluate('flicker()')
    await page.wait_for_function("document.title == 'done'", timeout=300_000)
    return {
        'value': await page.input_value('input'),
        'scrolled': await page.evaluate('scrollY'),
        'pid': os.getpid(),
    }
""",
    "api/tasks.py": """
import asyncio
import os

async def automation(page, params):
    await page.goto(params['url'])
    return {'tasks': [task.get_name() for task in asyncio.all_tasks()], 'pid': os.getpid()}
""",
    "api/twice.py": """
async def automation(page, params):
    await page.goto(params['url'])
    await page.wait_for_function("document.title == 'done'", timeout=300_000)
    raise ValueError('again')
""",
}


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with pages.serving(
        {
            "/": _PAGE,
            "/list": _PAGE + _LIST,
            "/busy": _BUSY,
            "/other": "<!doctype html><title>Other</title>two",
        }
    ) as url:
        yield url


@pytest.fixture(scope="module", autouse=True)
def deployed(server: RunwrightServer) -> None:
    assert server.deploy("live", _PROJECT)["status"] == "ready"


def _is_at(viewer: Viewer, url: str) -> bool:
    return any(page["url"].startswith(url) for page in viewer.state.get("pages", []))


def _finish(viewer: Viewer) -> None:
    """Press the page's button, which ends the automation."""
    viewer.take_control()
    viewer.click(50, 75)


def test_a_run_is_seen_and_its_tabs_are_listed_followed_and_switched(
    server: RunwrightServer, site: str
) -> None:
    run_id = server.start("live", "wait", {"url": f"{site}/", "tab": f"{site}/other"})

    with watching(server, "live", run_id) as viewer:
        viewer.until(lambda: _is_at(viewer, f"{site}/other") and viewer.frames)
        titles = viewer.until(
            lambda: [page["title"] for page in viewer.state["pages"] if page["title"]][1:]
        )
        followed = viewer.state
        viewer.send("watch", page=followed["pages"][0]["id"])
        seen = len(viewer.frames)
        viewer.until(lambda: not viewer.state["isFollowing"] and len(viewer.frames) > seen)
        _finish(viewer)
        code, _ = viewer.until_closed()

    assert titles == ["Other"]
    assert followed["watching"] == followed["pages"][1]["id"]
    assert viewer.frames[-1].jpeg.startswith(b"\xff\xd8")
    assert (viewer.frames[-1].width, viewer.frames[-1].height) == (1280, 800)
    assert code == 1000
    assert viewer.messages[-1] == {"type": "over", "status": "completed"}


def test_a_page_that_paints_before_it_says_its_title_is_seen(
    server: RunwrightServer, site: str
) -> None:
    run_id = server.start("live", "wait", {"url": f"{site}/busy"})
    eventually(lambda: server.detail(run_id)["status"] == "started")

    with watching(server, "live", run_id) as viewer:
        viewer.until(lambda: _is_at(viewer, f"{site}/busy") and viewer.frames)

    with server.client() as client:
        client.post(f"/projects/live/run/{run_id}/cancel")


def test_mouse_keyboard_scroll_and_clipboard_reach_the_page(
    server: RunwrightServer, site: str
) -> None:
    run_id = server.start("live", "wait", {"url": f"{site}/"})

    with watching(server, "live", run_id) as viewer:
        viewer.until(lambda: _is_at(viewer, site) and viewer.frames)
        viewer.take_control()
        viewer.click(50, 25)
        viewer.press("H", "KeyH", 72, modifiers=8)
        viewer.send("text", text="éllo ✓")
        viewer.press("x", "KeyX", 88)
        viewer.press("Backspace", "Backspace", 8)
        viewer.press("a", "KeyA", 65, modifiers=2)
        viewer.send("copy")
        copied = viewer.until(
            lambda: [each["text"] for each in viewer.messages if each["type"] == "copied"]
        )
        viewer.send("mouse", event="wheel", x=600, y=400, dx=0, dy=10)
        viewer.click(50, 65)
        viewer.until_closed()

    result = server.result("live", run_id)["result"]
    assert copied == ["Héllo ✓"]
    assert result["value"] == "Héllo ✓"
    assert result["scrolled"] == 10
    with server.client() as client:
        log = client.get(f"/projects/live/run/{run_id}/logs").text
    assert "took control of the browser" in log
    assert "llo" not in log


def test_a_list_that_no_picture_shows_is_offered_and_chosen_from(
    server: RunwrightServer, site: str
) -> None:
    run_id = server.start("live", "wait", {"url": f"{site}/list"})

    with watching(server, "live", run_id) as viewer:
        viewer.until(lambda: _is_at(viewer, site) and viewer.frames)
        viewer.take_control()
        viewer.click(50, 125)
        offered = viewer.until(
            lambda: [each["options"] for each in viewer.messages if each["type"] == "choices"]
        )[0]
        viewer.send("choose", place=2)
        viewer.click(50, 75)
        viewer.until_closed()

    assert offered == [
        {"label": "Austria", "isDisabled": False, "isChosen": True},
        {"label": "Belgium", "isDisabled": True, "isChosen": False},
        {"label": "<b>Chile</b>", "isDisabled": False, "isChosen": False},
    ]
    assert server.result("live", run_id)["result"]["value"] == "chose cl"


def test_the_address_bar_goes_to_pages_and_not_to_files(server: RunwrightServer, site: str) -> None:
    run_id = server.start("live", "wait", {"url": f"{site}/"})

    with watching(server, "live", run_id) as viewer:
        viewer.until(lambda: _is_at(viewer, site) and viewer.frames)
        viewer.take_control()
        viewer.send("navigate", url="file:///etc/passwd")
        viewer.send("navigate", url=f"{site}/other")
        viewer.until(lambda: _is_at(viewer, f"{site}/other"))
        viewer.send("back")
        viewer.until(lambda: not _is_at(viewer, f"{site}/other"))
        urls = {page["url"] for each in viewer.messages for page in each.get("pages", [])}
        viewer.until(lambda: viewer.frames)
        viewer.click(50, 75)
        viewer.until_closed()

    assert not any(url.startswith("file") for url in urls)


def test_a_link_shows_the_run_and_takes_no_input(server: RunwrightServer, site: str) -> None:
    run_id = server.start("live", "wait", {"url": f"{site}/"})
    link = _link(server, run_id, expiresIn=60)

    with viewers.connected(link["socketUrl"]) as guest, watching(server, "live", run_id) as viewer:
        guest.until(lambda: _is_at(guest, site) and guest.frames)
        guest.send("take")
        guest.click(50, 25)
        guest.send("text", text="mine")
        guest.send("navigate", url=f"{site}/other")
        guest.until(lambda: guest.state["viewers"] == 2)
        viewer.until(lambda: _is_at(viewer, site) and viewer.frames)
        viewer.take_control()
        viewer.click(50, 25)
        guest.send("text", text="mine")
        # What the guest does now comes between two things of who has control.
        guest.until(lambda: guest.state["controller"])
        viewer.send("text", text="theirs")
        viewer.click(50, 75)
        viewer.until_closed()
        guest.until_closed()

    assert guest.state["canControl"] is False
    assert guest.state["hasControl"] is False
    assert server.result("live", run_id)["result"]["value"] == "theirs"


def test_a_link_expires_and_cannot_be_altered(server: RunwrightServer, site: str) -> None:
    run_id = server.start("live", "wait", {"url": f"{site}/"})
    other_id = server.start("live", "wait", {"url": f"{site}/"})
    link = _link(server, run_id, expiresIn=15)
    longer = _link(server, run_id, expiresIn=3600)
    token = longer["socketUrl"].split("/live/")[1].removesuffix("/socket")
    stolen = longer["socketUrl"].replace(run_id, other_id)
    stretched = longer["socketUrl"].replace(token.split(".")[1], "9999999999")

    with viewers.connected(link["socketUrl"]) as viewer:
        viewer.until(lambda: viewer.frames)
        expired = viewer.until_closed()
    again = _refusal(link["socketUrl"])

    assert expired == (4408, "the link has expired")
    assert again[0] == 4404
    assert _refusal(stolen)[0] == 4404
    assert _refusal(stretched)[0] == 4404
    with server.client() as client:
        for each in (run_id, other_id):
            client.post(f"/projects/live/run/{each}/cancel")


def test_nobody_watches_what_is_not_theirs(server: RunwrightServer, site: str) -> None:
    run_id = server.start("live", "wait", {"url": f"{site}/"})
    server.deploy("elsewhere", _PROJECT)
    base = f"{server.url}/api/v1/workspace"
    path = f"{base}/{server.workspace_id}/projects/live/run/{run_id}/live"
    key = {"x-api-key": server.api_key}

    assert _refusal(path)[0] == 4401
    assert _refusal(path, {"x-api-key": "rw_wrong"})[0] == 4401
    assert _refusal(path.replace("/live/run", "/elsewhere/run"), key)[0] == 4404
    assert _refusal(path.replace("/live/run", "/nowhere/run"), key)[0] == 4404
    other = path.replace(server.workspace_id, "00000000-0000-0000-0000-000000000001")
    assert _refusal(other, key)[0] == 4404
    with server.client() as client:
        foreign = client.post(f"/projects/elsewhere/run/{run_id}/live-links", json={})
        answer = client.post(f"/projects/elsewhere/run/{run_id}/answer", json={"answer": ""})
        client.post(f"/projects/live/run/{run_id}/cancel")
    assert (foreign.status_code, answer.status_code) == (404, 404)


def test_a_worker_that_cannot_prove_itself_is_refused(server: RunwrightServer) -> None:
    with (
        pytest.raises(Exception, match="403"),
        viewers.connected(
            f"{server.url}/internal/live/some-request", {"authorization": "Bearer wrong"}
        ),
    ):
        pass


def test_two_people_share_a_run_and_one_has_the_controls(
    server: RunwrightServer, site: str
) -> None:
    run_id = server.start("live", "wait", {"url": f"{site}/"})

    with watching(server, "live", run_id) as one:
        one.until(lambda: _is_at(one, site) and one.frames)
        one.take_control()
        with watching(server, "live", run_id) as two:
            two.until(lambda: two.frames and two.state.get("controller"))
            two.take_control()
            one.until(lambda: not one.state["hasControl"])
            one.click(50, 25)
            one.send("text", text="too late")
            two.click(50, 25)
            two.send("text", text="mine")
            one.until(lambda: one.state["viewers"] == 2)
        one.until(lambda: one.state["controller"] is None)
        _finish(one)
        one.until_closed()

    assert server.result("live", run_id)["result"]["value"] == "mine"


def test_a_slow_viewer_slows_neither_the_run_nor_another_viewer(
    server: RunwrightServer, site: str
) -> None:
    run_id = server.start("live", "wait", {"url": f"{site}/", "flicker": True})

    with watching(server, "live", run_id) as slow, watching(server, "live", run_id) as quick:
        slow.is_slow = True
        slow.until(lambda: slow.frames)
        quick.until(lambda: len(quick.frames) >= 15)
        _finish(quick)
        quick.until_closed()
        slow.until_closed()

    assert server.result("live", run_id)["status"] == "completed"
    # Two were on their way when it was seen that it takes none.
    assert len(slow.frames) <= 2


def test_nothing_runs_while_nobody_watches_and_a_watched_runner_stays_clean(
    server: RunwrightServer, site: str
) -> None:
    watched_id = server.start("live", "wait", {"url": f"{site}/"})
    with watching(server, "live", watched_id) as viewer:
        viewer.until(lambda: _is_at(viewer, site) and viewer.frames)
        _finish(viewer)
        viewer.until_closed()
    watched = server.result("live", watched_id)["result"]

    def next_of_that_runner() -> Any:
        found = server.run("live", "tasks", {"url": f"{site}/"})["result"]
        return found if found["pid"] == watched["pid"] else None

    after = eventually(next_of_that_runner)
    assert not [name for name in after["tasks"] if "live" in name or "screencast" in name]


def test_who_watches_stays_through_attempts(server: RunwrightServer, site: str) -> None:
    run_id = server.start("live", "twice", {"url": f"{site}/"}, retry={"maximumAttempts": 2})

    with watching(server, "live", run_id) as viewer:
        for _ in range(2):
            viewer.until(lambda: _is_at(viewer, site) and viewer.frames)
            _finish(viewer)
            viewer.until(lambda: not viewer.state.get("isRunning") or viewer.closed)
            viewer.frames.clear()
            viewer.state.clear()
        viewer.until_closed()

    assert viewer.messages[-1] == {"type": "over", "status": "failed"}
    assert len(server.detail(run_id)["attempts"]) == 2


def test_a_run_that_is_over_says_so(server: RunwrightServer, site: str) -> None:
    run_id = server.start("live", "tasks", {"url": f"{site}/"})
    server.result("live", run_id)

    with watching(server, "live", run_id) as viewer:
        viewer.until_closed()

    assert viewer.messages == [{"type": "over", "status": "completed"}]


def test_what_a_viewer_sends_that_is_no_message_is_dropped(
    server: RunwrightServer, site: str
) -> None:
    run_id = server.start("live", "wait", {"url": f"{site}/"})

    with watching(server, "live", run_id) as viewer:
        viewer.until(lambda: _is_at(viewer, site) and viewer.frames)
        viewer.take_control()
        for text in ("", "{", "[]", "null", '{"type": "evil"}', '{"type": []}'):
            viewer.socket.send(text)
        viewer.socket.send(b"\x00\x01")
        viewer.send("mouse", event="down", x="1e999", y=None)
        viewer.socket.send('{"type": "mouse", "event": "move", "x": 1e400, "y": NaN}')
        viewer.send("key", event="down", key="x" * 1000)
        viewer.send("shown", number=-1)
        _finish(viewer)
        viewer.until_closed()

    assert server.result("live", run_id)["status"] == "completed"


def _link(server: RunwrightServer, run_id: str, **body: Any) -> dict[str, str]:
    with server.client() as client:
        answer = client.post(f"/projects/live/run/{run_id}/live-links", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def _refusal(url: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
    with viewers.connected(url, headers) as viewer:
        return viewer.until_closed()
