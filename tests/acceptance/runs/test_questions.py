"""`ask_person`: an Attempt waits for a person with its clock stopped, then continues with their answer."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
from helpers import command_line
from helpers.server import RunwrightServer, environment, eventually, serving
from helpers.viewers import watching
from outside import pages, receivers

pytestmark = [pytest.mark.browser, pytest.mark.slow]

_PAGE = "<!doctype html><title>Code</title><input style='position:absolute;left:10px;top:10px'>"
_PROJECT = {
    "pyproject.toml": "[tool.runwright]\n",
    "api/ask.py": """
import asyncio
import time
from runwright import sdk

async def automation(page, params):
    if 'url' in params:
        await page.goto(params['url'])
    begun = time.monotonic()
    answer = await sdk.ask_person(
        params.get('question', 'Enter the code'),
        timeout=params.get('timeout', 60),
        secret=params.get('secret', False),
    )
    waited = time.monotonic() - begun
    print('it was', answer)
    if 'url' in params:
        await page.fill('input', answer) if answer else None
    if 'work' in params:
        await asyncio.sleep(params['work'])
    return {
        'answer': answer,
        'waited': waited,
        'field': await page.input_value('input') if 'url' in params else None,
    }
""",
    "api/impatient.py": """
import asyncio
from runwright import sdk

async def automation(page, params):
    try:
        await asyncio.wait_for(sdk.ask_person('first'), 0.5)
    except TimeoutError as error:
        first = type(error).__name__
    asking = asyncio.ensure_future(sdk.ask_person('second'))
    await asyncio.sleep(0)
    try:
        await sdk.ask_person('at once')
    except RuntimeError as error:
        at_once = str(error)
    return [first, at_once, await asking]
""",
}


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with pages.serving({"/": _PAGE}) as url:
        yield url


@pytest.fixture(scope="module", autouse=True)
def deployed(server: RunwrightServer) -> None:
    assert server.deploy("questions", _PROJECT)["status"] == "ready"


def _question(server: RunwrightServer, run_id: str, text: str | None = None) -> dict[str, Any]:
    def asked() -> Any:
        found = server.detail(run_id)["question"]
        return found if found is not None and text in (None, found["text"]) else None

    return eventually(asked)


def _answer(
    server: RunwrightServer, run_id: str, answer: str, project: str = "questions", **more: str
) -> int:
    with server.client() as client:
        body = {"answer": answer, **more}
        return client.post(f"/projects/{project}/run/{run_id}/answer", json=body).status_code


def test_a_run_goes_on_with_what_a_person_typed(server: RunwrightServer) -> None:
    run_id = server.start("questions", "ask", {"question": "Which code came by mail?"})
    asked = _question(server, run_id)
    with server.client() as client:
        listed = client.get("/questions").json()

    status = _answer(server, run_id, "123 456", questionId=asked["id"])

    result = server.result("questions", run_id)["result"]
    assert status == 200
    assert asked["text"] == "Which code came by mail?"
    assert [(each["shownRunId"], each["project"]) for each in listed] == [(run_id, "questions")]
    assert result["answer"] == "123 456"
    assert server.detail(run_id)["question"] is None
    assert _answer(server, run_id, "again") == 409


def test_a_run_is_answered_on_the_command_line(server: RunwrightServer, tmp_path: Path) -> None:
    run_id = server.start("questions", "ask")
    _question(server, run_id)

    said = command_line.run(server, "runs", "answer", run_id, "by command", cwd=tmp_path)

    assert said.returncode == 0, said.stderr
    assert server.result("questions", run_id)["result"]["answer"] == "by command"
    again = command_line.run(server, "runs", "answer", run_id, "--done", cwd=tmp_path)
    assert again.returncode == 1


def test_an_answer_to_another_question_is_refused(server: RunwrightServer) -> None:
    run_id = server.start("questions", "ask")
    _question(server, run_id)

    assert _answer(server, run_id, "1", questionId="another") == 409
    assert _answer(server, run_id, "1" * 10_001) == 400
    assert _answer(server, run_id, "1") == 200


def test_nobody_answering_is_an_error_that_says_so(server: RunwrightServer) -> None:
    found = server.run("questions", "ask", {"timeout": 1, "question": "Anybody?"})

    assert found["status"] == "failed"
    assert found["error"]["message"] == "NobodyAnswered: nobody answered within 1 s: Anybody?"


def test_the_attempts_clock_stands_still_while_it_waits(server: RunwrightServer) -> None:
    run_id = server.start("questions", "ask", {"work": 0.5}, requestTimeout=8)
    asked = _question(server, run_id)
    # Longer than the whole time of the Attempt.
    eventually(lambda: _age(server, asked) > 9)

    _answer(server, run_id, "at last")

    result = server.result("questions", run_id)
    assert result["status"] == "completed", result
    assert result["result"]["waited"] > 8


def test_the_attempts_clock_goes_on_after_the_answer(server: RunwrightServer) -> None:
    run_id = server.start("questions", "ask", {"work": 30}, requestTimeout=2)
    _question(server, run_id)

    _answer(server, run_id, "now")

    assert server.result("questions", run_id)["error"]["code"] == "script-timeout"


def test_a_question_that_is_withdrawn_can_be_followed_by_another_one_at_a_time(
    server: RunwrightServer,
) -> None:
    run_id = server.start("questions", "impatient")
    _question(server, run_id, "second")

    _answer(server, run_id, "yes")

    first, at_once, second = server.result("questions", run_id)["result"]
    assert (first, second) == ("TimeoutError", "yes")
    assert "another question" in at_once


def test_a_canceled_run_asks_nothing_any_more(server: RunwrightServer) -> None:
    run_id = server.start("questions", "ask")
    _question(server, run_id)

    with server.client() as client:
        client.post(f"/projects/questions/run/{run_id}/cancel")

    assert server.result("questions", run_id)["status"] == "canceled"
    assert server.detail(run_id)["question"] is None
    assert _answer(server, run_id, "too late") == 409


def test_a_secret_answer_is_in_neither_log_nor_trace(server: RunwrightServer, site: str) -> None:
    answer = "s3cret-0ne-time"
    run_id = server.start("questions", "ask", {"url": site, "secret": True})
    _question(server, run_id)

    _answer(server, run_id, answer)

    assert server.result("questions", run_id)["result"]["field"] == answer
    trace = eventually(
        lambda: [each for each in server.detail(run_id)["files"] if each["kind"] == "trace"]
    )[0]
    with server.client() as client:
        log = client.get(f"/projects/questions/run/{run_id}/logs").text
        content = client.get(f"/projects/questions/run/{run_id}/files/{trace['id']}").content
    assert "it was" in log
    assert answer not in log
    with zipfile.ZipFile(BytesIO(content)) as archive:
        texts = [archive.read(name) for name in archive.namelist()]
    assert texts
    assert not any(answer.encode() in text for text in texts)


def test_a_person_does_it_in_the_page_and_presses_done(server: RunwrightServer, site: str) -> None:
    run_id = server.start("questions", "ask", {"url": site, "question": "Fill in the code"})

    with watching(server, "questions", run_id) as viewer:
        viewer.until(lambda: viewer.state.get("question") and viewer.frames)
        shown = viewer.state["question"]
        viewer.take_control()
        viewer.click(30, 20)
        viewer.send("text", text="by hand")
        viewer.send("copy")
        viewer.until(lambda: any(each["type"] == "copied" for each in viewer.messages))
        _answer(server, run_id, "")
        viewer.until_closed()

    assert shown["text"] == "Fill in the code"
    assert 0 < shown["secondsLeft"] <= 60
    assert server.result("questions", run_id)["result"]["field"] == "by hand"


def test_a_sign_in_that_asks_is_answered_at_the_run_that_waits_for_it(
    server: RunwrightServer, site: str
) -> None:
    files = {
        "pyproject.toml": "[tool.runwright.auth_sessions]\nenabled = true\n",
        "auth-sessions/create.py": (
            "from runwright import sdk\n"
            "async def create(page, params):\n"
            f"    await page.goto('{site}')\n"
            "    code = await sdk.ask_person('The code?')\n"
            "    await page.context.add_cookies([{'name': 'code', 'value': code, 'url': page.url}])\n"
        ),
        "auth-sessions/check.py": (
            "async def check(page):\n"
            f"    await page.goto('{site}')\n"
            "    return '4711' in await page.evaluate('document.cookie')\n"
        ),
        "api/cookie.py": (
            "async def automation(page, params):\n"
            f"    await page.goto('{site}')\n"
            "    return await page.evaluate('document.cookie')\n"
        ),
    }
    assert server.deploy("asking-sign-in", files)["status"] == "ready"
    run_id = server.start("asking-sign-in", "cookie", authSession={"runtimeInput": {"user": "x"}})
    asked = _question(server, run_id)

    with watching(server, "asking-sign-in", run_id) as viewer:
        viewer.until(lambda: viewer.frames and viewer.state.get("question"))
        status = _answer(server, run_id, "4711", "asking-sign-in")
        viewer.until_closed()

    assert asked["text"] == "The code?"
    assert status == 200
    assert server.result("asking-sign-in", run_id)["result"] == "code=4711"


@pytest.mark.parametrize(("typed", "answer"), [("1234\n", "1234"), ("\n", ""), ("", None)])
def test_dev_asks_in_the_terminal(tmp_path: Path, typed: str, answer: str | None) -> None:
    file = tmp_path / "api" / "ask.py"
    file.parent.mkdir()
    (tmp_path / "pyproject.toml").write_text("[tool.runwright]\n")
    file.write_text(
        "from runwright import sdk\n"
        "async def automation(page, params):\n"
        "    try:\n        return {'answer': await sdk.ask_person('The code?', timeout=20)}\n"
        "    except sdk.NobodyAnswered:\n        return {'answer': None}\n"
    )

    found = subprocess.run(
        [
            sys.executable,
            "-m",
            "runwright",
            "dev",
            "ask",
            "--folder",
            str(tmp_path),
            "--params",
            "{}",
        ],
        input=typed,
        capture_output=True,
        text=True,
        check=True,
        env=environment(RUNWRIGHT_DATA_DIR=str(tmp_path / "data")),
        timeout=60,
    )

    assert "The code?" in found.stdout + found.stderr
    assert json.dumps({"answer": answer}) in " ".join(found.stdout.split()).replace(
        "{ ", "{"
    ).replace(" }", "}")


def test_the_projects_webhook_is_told_of_a_question(tmp_path: Path) -> None:
    with (
        receivers.serving() as receiver,
        serving(tmp_path / "data", RUNWRIGHT_WEBHOOK_ALLOW_PRIVATE="1") as server,
    ):
        sink = {"type": "webhook", "url": receiver.url}
        settings = {"projectName": "told", "defaults": {"sink": {"deployed": sink}}}
        server.deploy("told", {**_PROJECT, "Intuned.json": json.dumps(settings)})
        run_id = server.start("told", "ask", {"question": "Who is there?"})

        headers, body = eventually(lambda: receiver.received)[0]

        with server.client() as client:
            secret = client.get("/projects/told/webhook-secret").json()["secret"]
        told = json.loads(body)
        _answer(server, run_id, "me", "told")
        eventually(lambda: len(receiver.received) == 2)
    assert told["type"] == "run.question"
    assert told["data"]["run"] == {"id": run_id, "api": "ask"}
    assert told["data"]["question"]["text"] == "Who is there?"
    assert told["data"]["url"].endswith(f"/projects/told/runs/{run_id}/live")
    assert standardwebhooks.Webhook(secret).verify(body, headers) == told


def _age(server: RunwrightServer, asked: dict[str, Any]) -> float:
    from datetime import UTC, datetime

    return (datetime.now(UTC) - datetime.fromisoformat(asked["askedAt"])).total_seconds()
