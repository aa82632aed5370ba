"""Writing, deploying and maintaining native projects: over HTTP and on the command line."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers import command_line
from helpers.server import RunwrightServer, eventually, line_of, serving
from outside import pages

TYPED = {
    "api/shop/search.py": (
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "from pydantic import BaseModel\n"
        "class Item(BaseModel):\n    name: str\n"
        "class Params(BaseModel):\n    items: list[Item]\n    limit: int = 3\n"
        "async def automation(page, params: Params) -> list[str]:\n"
        '    """Search the shop."""\n'
        "    return [item.name for item in params.items][: params.limit]\n"
    ),
    ".parameters/api/shop/search/two.json": '{"items": [{"name": "a"}]}',
}
SEES = {
    "api/sees.py": (
        "import os\nAT_IMPORT = os.environ.get('TOKEN')\n"
        "async def automation(page, params):\n"
        "    return [AT_IMPORT, os.environ.get('TOKEN'), os.environ.get('SHARED')]\n"
    )
}
HELPERS = {
    "api/helpers.py": (
        "from datetime import timedelta\n"
        "from runwright.sdk import click_until_gone, go_to, save_file, scroll_to_end, settle, to_markdown\n"
        "async def automation(page, params):\n"
        "    await go_to(page, params['url'])\n"
        "    clicks = await click_until_gone(page, page.locator('#more'))\n"
        "    grown = await scroll_to_end(page)\n"
        "    never = await settle(page, quiet=timedelta(seconds=5), patience=timedelta(seconds=0.5))\n"
        "    names = [await save_file(b'bytes', 'a.bin'), await save_file(__file__)]\n"
        "    return {'clicks': clicks, 'items': await page.locator('li').count(), 'grown': grown,\n"
        "            'never': never, 'names': names, 'text': await to_markdown(page)}\n"
    )
}
_PAGE = """\
<h1>A <em>shop</em></h1><ul id=list><li>one <a href="/x">link</a></li></ul>
<table><tr><th>n</th><th>m</th></tr><tr><td>1</td><td>2</td></tr></table>
<button id=more>More</button><div id=end style="height:2000px"></div>
<script>
  let left = 2, grown = 0;
  more.onclick = () => { list.append(Object.assign(document.createElement("li"), {textContent: "more"}));
    if (!--left) more.remove(); };
  addEventListener("scroll", () => {
    const low = scrollY + innerHeight >= document.documentElement.scrollHeight - 10;
    if (low && grown++ < 2) end.style.height = end.offsetHeight + 3000 + "px";
  });
</script>
"""


def test_wrong_parameters_are_refused_with_path_and_reason(server: RunwrightServer) -> None:
    assert server.deploy("typed", TYPED)["status"] == "ready"
    with server.client() as client:
        body = {"api": "shop/search", "parameters": {"items": [{"name": 5}], "limit": "x"}}
        answer = client.post("/projects/typed/run/start", json=body)

    assert answer.status_code == 400
    paths = {each["path"] for each in answer.json()["details"]}
    assert paths == {"parameters.items.0.name", "parameters.limit"}
    assert server.run("typed", "shop/search", {"items": [{"name": "a"}]})["result"] == ["a"]


def test_the_document_of_a_project_describes_each_api(server: RunwrightServer) -> None:
    server.deploy("documented", TYPED)
    with server.client() as client:
        document = client.get("/projects/documented/openapi.json").json()

    operation = document["paths"]["/run/start#shop/search"]["post"]
    content = operation["requestBody"]["content"]["application/json"]
    assert operation["summary"] == "Search the shop."
    assert content["examples"]["two"]["value"]["parameters"] == {"items": [{"name": "a"}]}
    items = content["schema"]["properties"]["parameters"]["properties"]["items"]["items"]
    assert items["$ref"].rpartition("/")[2] in document["components"]["schemas"]
    assert operation["x-result"] == {"type": "array", "items": {"type": "string"}}


def test_variables_reach_the_next_attempt_and_are_never_shown(
    server: RunwrightServer, tmp_path: Path
) -> None:
    server.deploy("sees", SEES)
    assert server.run("sees", "sees")["result"] == [None, None, None]

    assert (
        command_line.run(server, "vars", "set", "SHARED", "for-all", cwd=tmp_path).returncode == 0
    )
    assert (
        command_line.run(
            server, "vars", "set", "TOKEN", "t0p", "--project", "sees", cwd=tmp_path
        ).returncode
        == 0
    )
    set_ = [server.run("sees", "sees")["result"] for _ in range(3)]
    listed = command_line.run(
        server, "vars", "list", "--project", "sees", "--json", cwd=tmp_path
    ).stdout
    command_line.run(server, "vars", "unset", "SHARED", cwd=tmp_path)
    command_line.run(server, "vars", "unset", "TOKEN", "--project", "sees", cwd=tmp_path)
    unset = server.run("sees", "sees")["result"]

    assert set_ == [["t0p", "t0p", "for-all"]] * 3
    assert unset == [None, None, None]
    assert [each["name"] for each in json.loads(listed)] == ["TOKEN"]
    assert "t0p" not in listed


@pytest.mark.parametrize("name", ["PATH", "RUNWRIGHT_X", "1A", "a-b", "INTUNED_AUTH_TOKEN"])
def test_a_variable_that_cannot_be_is_refused(server: RunwrightServer, name: str) -> None:
    with server.client() as client:
        answer = client.put(f"/variables/{name}", json={"value": "x"})

    assert answer.status_code == 400
    assert answer.json()["details"][0]["path"] == "name"


def test_a_token_is_good_for_its_attempt_and_project_alone(server: RunwrightServer) -> None:
    tells = (
        "import os\nasync def automation(page, params):\n"
        "    return [os.environ[n] for n in ('FUNCTIONS_DOMAIN', 'INTUNED_WORKSPACE_ID',"
        " 'INTUNED_PROJECT_ID', 'INTUNED_AUTH_TOKEN')]\n"
    )
    server.deploy("tells", {"api/tells.py": tells})
    domain, workspace, project, token = server.run("tells", "tells")["result"]
    with server.client() as client:
        path = f"{domain}/api/{workspace}/functions/{project}/kv-store/k"
        over = client.get(path, headers={"authorization": f"Bearer {token}"})
        none = client.get(path)
        forged = client.get(path, headers={"authorization": f"Bearer {token[:-2]}xx"})

    assert [each.status_code for each in (over, none, forged)] == [401, 401, 401]
    assert "is over" in over.json()["message"]


def test_rolling_back_and_comparing(server: RunwrightServer, tmp_path: Path) -> None:
    one = {"api/a.py": "async def automation(page, params):\n    return 1\n"}
    two = {
        "api/a.py": "async def automation(page, params) -> int:\n    return 2\n",
        "api/b.py": one["api/a.py"],
        "pyproject.toml": '[tool.runwright]\nisolation = "process"\n',
    }
    server.deploy("back", one)
    server.deploy("back", two)
    assert server.run("back", "a")["result"] == 2

    rolled = command_line.run(server, "rollback", "back", cwd=tmp_path)
    result = server.run("back", "a")["result"]
    compared = command_line.run(server, "deployments", "diff", "back", "2", cwd=tmp_path).stdout

    assert rolled.stdout == "deployment 1 is current\n", rolled.stderr
    assert result == 1
    assert compared.splitlines() == [
        "+ b",
        "~ a: different schema",
        "~ isolation: module → process",
    ]
    assert command_line.run(server, "rollback", "back", cwd=tmp_path).returncode == 1
    assert command_line.run(server, "rollback", "back", "--to", "2", cwd=tmp_path).returncode == 0
    assert server.run("back", "a")["result"] == 2


def test_page_helpers_and_kept_files(server: RunwrightServer) -> None:
    server.deploy("helpers", HELPERS)
    with pages.serving({"/": _PAGE}) as address:
        found = server.run("helpers", "helpers", {"url": f"{address}/"})

    result = found["result"]
    assert (result["clicks"], result["items"], result["never"]) == (2, 3, False)
    assert result["grown"] >= 1
    assert "# A *shop*" in result["text"]
    assert "- one [link](/x)" in result["text"]
    assert "| 1 | 2 |" in result["text"]
    kept = [
        each["name"] for each in server.detail(found["runId"])["files"] if each["kind"] == "file"
    ]
    assert kept == ["a.bin", "helpers.py"] == result["names"]


def test_a_recorded_run_is_replayed_offline(server: RunwrightServer, tmp_path: Path) -> None:
    source = (
        "async def automation(page, params):\n"
        "    await page.goto(params['url'])\n"
        "    extra = await page.evaluate(\"fetch('/extra').then(r => r.text()).catch(() => 'none')\")\n"
        "    return [await page.inner_text('h1'), extra]\n"
    )
    folder = tmp_path / "recorded"
    (folder / "api").mkdir(parents=True)
    (folder / "api" / "reads.py").write_text(source)
    server.deploy("recorded", {"api/reads.py": source})
    with pages.serving({"/": "<h1>Then</h1>", "/extra": "more"}) as address:
        found = server.run("recorded", "reads", {"url": f"{address}/"}, saveHar=True)
    run_id = found["runId"]
    eventually(lambda: [f for f in server.detail(run_id)["files"] if f["kind"] == "har"])

    same = command_line.run(server, "replay", run_id, "--folder", str(folder), cwd=tmp_path)
    (folder / "api" / "reads.py").write_text(source.replace("'/extra'", "'/other'"))
    other = command_line.run(server, "replay", run_id, "--folder", str(folder), cwd=tmp_path)

    assert found["result"] == ["Then", "more"]
    assert json.loads(same.stdout) == ["Then", "more"], same.stderr
    assert "not in the recording" not in same.stderr
    assert json.loads(other.stdout) == ["Then", "none"]
    assert f"not in the recording: GET {address}/other" in other.stderr


@pytest.mark.parametrize("template", ["scraper", "sign-in", "form", "download"])
def test_a_new_project_can_be_deployed_at_once(tmp_path: Path, template: str) -> None:
    made = command_line.run(None, "init", "fresh", "--template", template, cwd=tmp_path)
    checked = command_line.run(None, "check", "fresh", cwd=tmp_path)

    assert made.returncode == 0, made.stderr
    assert checked.returncode == 0, checked.stderr
    assert "can be deployed" in checked.stdout
    assert command_line.run(None, "init", "fresh", cwd=tmp_path).returncode == 2


def test_an_api_runs_without_a_server(tmp_path: Path) -> None:
    command_line.run(None, "init", "fresh", cwd=tmp_path)
    (tmp_path / "fresh" / ".env").write_text("# mine\nWHO='some one'\n")
    (tmp_path / "fresh" / "api" / "who.py").write_text(
        "import os\nasync def automation(page, params):\n"
        "    print('here')\n    return [os.environ['WHO'], params]\n"
    )
    with pages.serving({"/": "<article>one</article><article>two</article>"}) as address:
        words = (
            "dev",
            "items",
            "--folder",
            "fresh",
            "--params",
            json.dumps({"url": f"{address}/"}),
        )
        items = command_line.run(None, *words, cwd=tmp_path)
    who = command_line.run(
        None, "dev", "who", "--folder", "fresh", "--params", '{"n": 1}', cwd=tmp_path
    )
    broken = command_line.run(None, "dev", "nowhere", "--folder", "fresh", cwd=tmp_path)

    assert json.loads(items.stdout) == ["one", "two"], items.stderr
    assert json.loads(who.stdout) == ["some one", {"n": 1}]
    assert "here" in who.stderr
    assert broken.returncode == 1
    assert "api/nowhere.py" in broken.stderr


def test_dev_runs_again_at_every_save(tmp_path: Path) -> None:
    command_line.run(None, "init", "fresh", cwd=tmp_path)
    file = tmp_path / "fresh" / "api" / "n.py"
    file.write_text("async def automation(page, params):\n    return 'first'\n")
    program = str(Path(sys.executable).with_name("runwright"))
    process = subprocess.Popen(
        [program, "dev", "n", "--folder", "fresh", "--params", "{}", "--watch"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        first = line_of(process)
        file.write_text("async def automation(page, params):\n    return 'second'\n")
        os.utime(file, (time.time() + 2, time.time() + 2))
        second = line_of(process)
    finally:
        process.terminate()
        process.wait(timeout=60)
        process.stdout.close()

    assert (first, second) == ('"first"\n', '"second"\n')


def test_the_version_is_told_both_ways(tmp_path: Path) -> None:
    told = [command_line.run(None, word, cwd=tmp_path) for word in ("version", "--version")]

    assert [each.returncode for each in told] == [0, 0]
    assert {each.stdout.strip() for each in told} == {importlib.metadata.version("runwright")}


def test_check_says_what_deploy_would(tmp_path: Path) -> None:
    (tmp_path / "p" / "api").mkdir(parents=True)
    (tmp_path / "p" / "api" / "a.py").write_text("import nowhere_at_all\n")

    found = command_line.run(None, "check", "p", cwd=tmp_path)

    assert found.returncode == 1
    assert "No module named 'nowhere_at_all'" in found.stderr


def test_a_bundle_that_is_too_large_is_refused_with_its_size(tmp_path: Path) -> None:
    (tmp_path / "p" / "api").mkdir(parents=True)
    (tmp_path / "p" / "api" / "a.py").write_text("async def automation(page, params):\n    pass\n")
    (tmp_path / "p" / "big.bin").write_bytes(os.urandom(30 * 2**20))
    with serving(tmp_path / "data", RUNWRIGHT_MAX_BUNDLE_BYTES=str(10 * 2**20)) as server:
        found = command_line.run(server, "deploy", "p", "--project", "p", cwd=tmp_path)

        assert found.returncode == 3
        assert "this server accepts 10485760" in found.stderr
