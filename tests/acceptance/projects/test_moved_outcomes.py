"""How Attempts of projects written for the hosted service end, and what their code may request."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from helpers.server import RunwrightServer, eventually

_BEFORE = """\
import asyncio
import sys
from intuned_runtime import NonRetryableError, extend_payload, persistent_store, set_attribute


class Shut(Exception):
    def __init__(self, shop, *, code):
        super().__init__(f"{shop} is shut")
        self.code = code


class Unsaid(Exception):
    def __init__(self, code):
        self.code = code


class Hostile(Exception):
    def __getattr__(self, name):
        raise RuntimeError(name)

    @property
    def __dict__(self):
        raise RuntimeError("none")


async def automation(page, params):
"""
_FAILURES = {
    "own": ("raise Shut('north', code=503)", "Shut: north is shut"),
    "unsaid": ("raise Unsaid(code=404)", "Unsaid"),
    "hostile": ("raise Hostile('x')", "Hostile: x"),
    "group": (
        (
            "async def fail():\n        raise ValueError('in a task')\n"
            "    async with asyncio.TaskGroup() as group:\n        group.create_task(fail())"
        ),
        "ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)",
    ),
    "of-base": ("raise BaseException('base')", "BaseException: base"),
    "interrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "exit": ("sys.exit(3)", "SystemExit: 3"),
    "cancelled": ("raise asyncio.CancelledError('mine')", "CancelledError: mine"),
    "own-time-limit": (
        "async with asyncio.timeout(0.01):\n        await asyncio.sleep(9)",
        "TimeoutError",
    ),
    "final": ("raise NonRetryableError('stop')", "NonRetryableError: stop"),
    "absent": ("import nowhere", "ModuleNotFoundError: No module named 'nowhere'"),
    "payload": (
        "extend_payload({'api': 'next'})",
        "ValueError: extend_payload: `parameters` must be an object: {'api': 'next'}",
    ),
}
_PAYLOADS = """\
from enum import Enum
from pydantic import BaseModel
from intuned_runtime import extend_payload
class Api(str, Enum):
    NEXT = "shop/next"
class Next(BaseModel):
    page: int
async def automation(page, params):
    import asyncio
    given = {"tuple": (1, 2)}
    returned = extend_payload({"api": "a", "parameters": given}, {"api": Api.NEXT, "parameters": Next(page=2)})
    given["tuple"] = "changed since"
    await asyncio.to_thread(extend_payload, {"api": "b", "parameters": {"deep": [Next(page=3)]}})
    extend_payload()
    extend_payload({"api": "c", "parameters": {}, "priority": 1})
    return returned
"""
_STORES = """\
import datetime
from pydantic import BaseModel
from intuned_runtime import (
    IntunedContext, attempt_store, delete_attribute, persistent_store, run_info,
    send_message_to_agent, set_attribute,
)
class Item(BaseModel):
    name: str
def refusal(function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except Exception as error:
        return isinstance(error, ValueError)
async def automation(page, params):
    import asyncio
    import threading
    kept = []
    for value in (None, 0, False, "", [], {}, (1, 2), {1: 2}, Item(name="x")):
        await persistent_store.set("a/b c", value)
        kept.append(await persistent_store.get("a/b c"))
    attempt_store.set(1, page)
    now = datetime.datetime.now(datetime.timezone.utc)
    good = [1, 10**30, True, 1.5, "", "x" * 255, now, [], ["x"] * 20]
    bad = [None, {}, [1], ("x",), float("nan"), "x" * 256, ["x"] * 21, now.replace(tzinfo=None)]
    outside = []
    thread = threading.Thread(target=lambda: outside.append(refusal(run_info)))
    thread.start()
    thread.join()
    return {
        "kept": kept,
        "attempt": [attempt_store.get(1) is page, attempt_store.get("none"), attempt_store.get("none", 3)],
        "good": [refusal(set_attribute, f"k{n}", value) for n, value in enumerate(good)],
        "bad": {refusal(set_attribute, "k", value) for value in bad} == {True},
        "keys": [refusal(set_attribute, key, 1) for key in ("a" * 64, "a" * 65, "1a", "_a", "ü", None, 5)],
        "deleted": [refusal(delete_attribute, key) for key in ("k0", "never", "1a")],
        "in a thread of asyncio": await asyncio.to_thread(lambda: run_info().job_id),
        "in a thread of its own": outside,
        "the same": IntunedContext.current().run_context.run_id == run_info().run_id,
        "messages": [
            refusal(send_message_to_agent, dedup_key=key, message=text)
            for key, text in (("a", "hello"), ("a", "again"), (" ", "x"), ("k" * 129, "x"), (5, "x"), ("b", ""))
        ] + [
            refusal(send_message_to_agent, dedup_key="c", message="x", additional_context=context)
            for context in ({"a": [1]}, "text", {"a": object()}, {"a": "x" * 8192})
        ],
    }
"""
_BESIDE = """\
import asyncio
import os
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
async def automation(page, params):
    async def forever():
        while True:
            await asyncio.sleep(0.01)
    asyncio.create_task(forever())
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    with ThreadPoolExecutor(2) as threads:
        doubled = list(threads.map(lambda n: n * 2, range(3)))
    with ProcessPoolExecutor(1) as processes:
        powered = await asyncio.get_running_loop().run_in_executor(processes, pow, 2, 5)
    told = subprocess.run([sys.executable, "-c", "print('child')"], capture_output=True, text=True)
    child = await asyncio.create_subprocess_exec("sh", "-c", "exit 3")
    os.environ["LEFT"] = "behind"
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "x").write_text("x")
        os.chdir(folder)
        listed = os.listdir(".")
    return [
        doubled, powered, told.stdout.strip(), await child.wait(), listed,
        await asyncio.to_thread(lambda: asyncio.run(asyncio.sleep(0, "a loop of its own"))),
        threading.current_thread() is threading.main_thread(),
    ]
"""
_HANDLER = """\
import asyncio
async def automation(page, params):
    async def refuse(route):
        raise ValueError("in a handler")
    await page.route("**/*", refuse)
    visit = asyncio.ensure_future(page.goto("http://shop.test/", timeout=500))
    await asyncio.wait({visit})
    if params.get("uses_it"):
        visit.result()
    return "mine"
"""


@pytest.fixture(scope="module", name="project")
def _project(server: RunwrightServer) -> str:
    sources = {
        f"api/{name}.py": f"{_BEFORE}    {body}\n" for name, (body, _message) in _FAILURES.items()
    }
    files = {
        "Intuned.json": '{"browser": "shell"}',
        **sources,
        "api/payloads.py": _PAYLOADS,
        "api/stores.py": _STORES,
        "api/beside.py": _BESIDE,
        "api/handler.py": _HANDLER,
    }
    deployed = server.deploy("moved-outcomes", files)
    assert deployed["status"] == "ready", deployed["error"]
    return "moved-outcomes"


@pytest.mark.parametrize("api", sorted(_FAILURES))
def test_whatever_an_author_raises_fails_the_run_by_its_name(
    server: RunwrightServer, project: str, api: str
) -> None:
    found = server.run(project, api, saveTrace=False)

    assert found["status"] == "failed", found
    assert found["error"]["code"] == "script-execution-exception"
    assert found["error"]["category"] == "execution"
    assert found["error"]["retirable"] is (api != "final")
    assert found["message"] == _FAILURES[api][1]
    assert f"api/{api}.py" in found["error"]["details"]["traceback"]


def test_payloads_are_what_they_were_when_they_were_given(
    server: RunwrightServer, project: str
) -> None:
    found = server.run(project, "payloads")

    assert found["result"] is None
    assert found["extendedPayloads"] == [
        {"api": "a", "parameters": {"tuple": [1, 2]}},
        {"api": "shop/next", "parameters": {"page": 2}},
        {"api": "b", "parameters": {"deep": [{"page": 3}]}},
        {"api": "c", "parameters": {}},
    ]


def test_stores_attributes_and_messages_take_what_they_took(
    server: RunwrightServer, project: str
) -> None:
    found = server.run(project, "stores")

    right: dict[str, Any] = {
        "kept": [None, 0, False, "", [], {}, [1, 2], {"1": 2}, {"name": "x"}],
        "attempt": [True, None, 3],
        "good": [None] * 9,
        "bad": True,
        "keys": [None, True, True, True, True, True, True],
        "deleted": [None, None, True],
        "in a thread of asyncio": None,
        "in a thread of its own": [False],
        "the same": True,
        "messages": [None, None, True, True, True, True, None, True, True, True],
    }
    assert found["result"] == right, found


def test_what_runs_beside_a_function_takes_nothing_away(
    server: RunwrightServer, project: str
) -> None:
    found = [server.run(project, "beside")["result"] for _ in range(2)]

    assert found == [[[0, 2, 4], 32, "child", 3, ["x"], "a loop of its own", True]] * 2


def test_what_a_handler_raises_takes_nothing_away(server: RunwrightServer, project: str) -> None:
    returned = server.run(project, "handler")
    raised = server.run(project, "handler", {"uses_it": True}, saveTrace=False)

    assert returned["result"] == "mine", returned
    eventually(lambda: [f["kind"] for f in server.detail(returned["runId"])["files"]] == ["trace"])
    assert raised["error"]["code"] == "script-execution-exception", raised
    assert "Page.goto" in raised["message"]


def test_a_web_task_is_refused_by_its_name(server: RunwrightServer) -> None:
    answer = httpx2.post(
        f"{server.url}/api/v1/workspace/{server.workspace_id}/web-tasks/start",
        headers={"x-api-key": server.api_key},
        json={"task": "find the price"},
    )

    assert answer.status_code == 501
    assert "web tasks" in answer.json()["message"].lower()
