"""Code that takes over its Runner and sends the Worker anything: its Attempt fails, nothing else does."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from helpers.server import RunwrightServer, eventually, serving

_HOSTILE = """
import asyncio, gc, json, os, time
from pathlib import Path
from runwright.runner.channel import Channel

async def automation(page, params):
    channel = next(each for each in gc.get_objects() if isinstance(each, Channel))
    say = lambda what, **more: channel._socket.sendall(json.dumps({"type": what, **more}).encode() + b"\\n")
    mode = params["mode"]
    if mode == "garbage":
        channel._socket.sendall(os.urandom(1000) + b"\\n")
    elif mode == "endless":
        while True:
            channel._socket.sendall(b"x" * 1_000_000)
    elif mode == "types":
        say("started", at="now")
    elif mode == "deep":
        channel._socket.sendall(b"[" * 1_000_000 + b"\\n")
    elif mode == "result":
        say("ended", result='{"half": ')
    elif mode == "nan":
        say("ended", result="NaN")
    elif mode == "attributes":
        channel._socket.sendall(b'{"type": "ended", "result": "1", "attributes": {"a": NaN}}\\n')
    elif mode == "payloads":
        say("ended", result="1", extended_payloads=[{"parameters": 3}])
    elif mode == "code":
        say("ended", failure={"code": "none", "category": "of", "message": "these"})
    elif mode == "order":
        for kind, more in (("ready", {"pid": 1, "python": "", "playwright": "", "browser": ""}),
                           ("retiring", {"reasons": []}), ("inspected", {}), ("started", {"at": 1e300})):
            say(kind, **more)
    elif mode == "file":
        say("file", kind="file", name="stolen", path=params["path"])
        link = Path(channel_files()) / "link"
        link.symlink_to(params["path"])
        say("file", kind="file", name="linked", path=str(link))
        return "done"
    await asyncio.sleep(60)

def channel_files():
    from runwright.sdk.context import current
    return current().files_directory
"""
_PROJECT = {
    "api/hostile.py": _HOSTILE,
    "api/labels.py": (
        "from runwright.sdk import set_attribute\n\n"
        "async def automation(page, params):\n"
        "    set_attribute('half', '\\ud800')\n    return 1\n"
    ),
    "api/a.py": "async def automation(page, params):\n    return params\n",
}


@pytest.fixture(scope="module", name="own")
def _own(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunwrightServer]:
    directory = tmp_path_factory.mktemp("hostile") / "data"
    with serving(directory, RUNWRIGHT_CANCEL_GRACE="1") as server:
        deployed = server.deploy("p", _PROJECT)
        assert deployed["status"] == "ready", deployed["error"]
        yield server


@pytest.mark.parametrize(
    ("mode", "code"),
    [
        ("garbage", "script-process-crashed"),
        ("endless", "script-process-crashed"),
        ("types", "script-process-crashed"),
        ("deep", "script-process-crashed"),
        ("result", "script-unexpected-error"),
        ("nan", "script-unexpected-error"),
        ("attributes", "script-unexpected-error"),
        ("payloads", "script-unexpected-error"),
        ("code", "script-unexpected-error"),
        ("order", "script-timeout"),
    ],
)
def test_what_is_no_message_fails_its_attempt_and_nothing_else(
    own: RunwrightServer, mode: str, code: str
) -> None:
    found = own.run("p", "hostile", {"mode": mode}, requestTimeout=3, saveTrace=False)

    assert found["status"] == "failed"
    assert found["error"]["code"] == code
    assert own.run("p", "a", {"mode": mode}, saveTrace=False)["result"] == {"mode": mode}


def test_a_runner_hands_over_no_file_but_its_own(own: RunwrightServer) -> None:
    secret = own.data_dir / "secret.key"

    run_id = own.start("p", "hostile", {"mode": "file", "path": str(secret)}, saveTrace=False)
    found = own.result("p", run_id)
    assert found["status"] == "completed", found

    def is_told() -> bool:
        with own.client() as client:
            return client.get(f"/projects/p/run/{run_id}/logs").text.count("was not kept") == 2

    eventually(is_told)
    assert own.detail(run_id)["files"] == []
    assert secret.is_file()


def test_a_label_with_half_a_character_does_not_keep_its_run_from_ending(
    own: RunwrightServer,
) -> None:
    found = own.run("p", "labels", {}, saveTrace=False)

    assert (found["status"], found["result"]) == ("completed", 1)
    assert own.detail(found["runId"])["attributes"] == {"half": "?"}
