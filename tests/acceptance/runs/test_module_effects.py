"""Import-time effects of a module occur in the Runs that import it, and in no other."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.server import RunwrightServer

_EFFECTS = """\
import asyncio, logging, os, sys
os.environ["SEEN"] = "a"
sys.seenby = "a"
sys.path.append("/nowhere")
logging.basicConfig(filename="/dev/null", level=logging.ERROR, force=True)
asyncio.patched = "a"
print("a was imported")


async def automation(page, params):
    return "a"
"""
_LOOKS = """\
import asyncio, logging, os, sys
print("b was imported")


async def automation(page, params):
    logging.info("a line of the root logger")
    return [
        os.environ.get("SEEN"), getattr(sys, "seenby", None), getattr(asyncio, "patched", None),
        "/nowhere" in sys.path, logging.getLogger().level == logging.INFO,
    ]
"""
_CHILD = """\
import subprocess, sys
from {package} import attempt_store


async def automation(page, params):
    code = "from {package} import attempt_store; print('imported')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return [done.stdout, done.stderr]
"""
_TRACES = """\
import zipfile


async def automation(page, params):
    said = []
    try:
        await page.context.tracing.stop()
    except Exception as error:
        said.append(str(error))
    await page.context.tracing.start(screenshots=True, snapshots=True)
    await page.set_content("<h1>traced</h1>")
    await page.context.tracing.stop(path=params["at"])
    with zipfile.ZipFile(params["at"]) as trace:
        said.append("trace.trace" in trace.namelist())
    return said
"""


def _log(server: RunwrightServer, project: str, run_id: str) -> str:
    with server.client() as client:
        return client.get(f"/projects/{project}/run/{run_id}/logs").text


@pytest.mark.parametrize("settings", [{"Intuned.jsonc": "{}"}, {}], ids=["moved", "native"])
def test_what_one_api_does_on_import_another_does_not_see(
    server: RunwrightServer, settings: dict[str, str]
) -> None:
    project = f"effects-{len(settings)}"
    deployed = server.deploy(project, {"api/a.py": _EFFECTS, "api/b.py": _LOOKS, **settings})
    assert deployed["status"] == "ready", deployed["error"]

    before = server.run(project, "b")
    made = server.run(project, "a")
    after = server.run(project, "b")

    assert (before["result"], made["result"]) == ([None, None, None, False, True], "a")
    assert after["result"] == before["result"]


def test_a_function_that_takes_the_page_alone_gets_it_alone(server: RunwrightServer) -> None:
    source = "async def automation(page):\n    return await page.title()\n"
    assert server.deploy("alone", {"Intuned.jsonc": "{}", "api/a.py": source})["status"] == "ready"

    assert server.run("alone", "a", {"n": 1})["result"] == ""


def test_what_a_module_prints_on_import_is_in_the_log_of_the_run(server: RunwrightServer) -> None:
    assert server.deploy("prints", {"api/b.py": _LOOKS})["status"] == "ready"

    for _ in range(2):
        run_id = server.start("prints", "b")
        server.result("prints", run_id)
        assert _log(server, "prints", run_id).count("b was imported") == 1


def test_children_import_what_the_author_imports(server: RunwrightServer) -> None:
    files = {
        "Intuned.jsonc": "{}",
        "api/moved.py": _CHILD.format(package="intuned_runtime"),
        "api/native.py": _CHILD.format(package="runwright.sdk"),
    }
    assert server.deploy("children", files)["status"] == "ready"

    for api in ("moved", "native"):
        assert server.run("children", api)["result"] == ["imported\n", ""]


def test_a_trace_of_the_authors_own_replaces_ours(server: RunwrightServer, tmp_path: Path) -> None:
    files = {"Intuned.jsonc": '{"browser": "shell"}', "api/traces.py": _TRACES}
    assert server.deploy("own-traces", files)["status"] == "ready"

    run_id = server.start("own-traces", "traces", {"at": str(tmp_path / "own.zip")}, saveTrace=True)
    found = server.result("own-traces", run_id)

    assert found["result"] == ["Tracing.stop: Must start tracing before stopping", True]
    assert "its own trace" in _log(server, "own-traces", run_id)
    assert not [each for each in server.detail(run_id)["files"] if each["kind"] == "trace"]
