"""What a caller can request of one Run: a proxy, files, retries, waiting, its trace."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from helpers.server import RunwrightServer, eventually
from outside import pages, proxies

PROJECT = {
    "api/reads.py": (
        "async def automation(page, params):\n"
        "    answer = await page.goto(params['url'])\n"
        "    text = await page.inner_text('h1') if answer.ok else None\n"
        "    return [answer.status, text]\n"
    ),
    "api/downloads.py": (
        "async def automation(page, params):\n"
        '    await page.set_content(\'<a download="a b.txt" href="data:text/plain,hello">get</a>\')\n'
        "    async with page.expect_download() as found:\n        await page.click('a')\n"
        "    return (await found.value).suggested_filename\n"
    ),
    "api/flaky.py": (
        "from runwright.sdk import attempt_store, set_attribute\n"
        "from pathlib import Path\n"
        "async def automation(page, params):\n"
        "    set_attribute('shop', params['mark'])\n"
        "    seen = Path('/tmp') / params['mark']\n"
        "    if not seen.exists():\n"
        "        seen.touch()\n        raise RuntimeError('the first time')\n"
        "    seen.unlink()\n    return attempt_store.get('none', 'kept')\n"
    ),
    "api/final.py": (
        "from runwright.sdk import NonRetryableError\n"
        "async def automation(page, params):\n    raise NonRetryableError('never')\n"
    ),
    "api/slow.py": (
        "import asyncio\nasync def automation(page, params):\n    await asyncio.sleep(params['seconds'])\n"
    ),
    "api/gated.py": (
        "import asyncio, pathlib\nasync def automation(page, params):\n"
        "    while not pathlib.Path(params['gate']).exists():\n        await asyncio.sleep(0.02)\n"
    ),
    "api/extends.py": (
        "import asyncio\nfrom runwright.sdk import extend_timeout\n"
        "async def automation(page, params):\n"
        "    await asyncio.sleep(6)\n    extend_timeout()\n    await asyncio.sleep(6)\n    return 1\n"
    ),
    "api/big.py": "async def automation(page, params):\n    return 'x' * params['size']\n",
}


@pytest.fixture(scope="module", name="project")
def _project(server: RunwrightServer) -> str:
    deployed = server.deploy("attempts", PROJECT)
    assert deployed["status"] == "ready", deployed["error"]
    return "attempts"


@pytest.mark.parametrize("password", ["right", "wr%6Fng"])
def test_a_proxy_is_used_with_its_credentials(
    server: RunwrightServer, project: str, tmp_path: Path, password: str
) -> None:
    with (
        pages.serving({"/": "<h1>behind</h1>"}) as address,
        proxies.serving(tmp_path, "user", "right") as (port, log),
    ):
        found = server.run(
            project,
            "reads",
            {"url": f"{address}/"},
            requestTimeout=60,
            proxy=f"http://user:{password}@127.0.0.1:{port}",
        )

        assert found["result"] == ([200, "behind"] if password == "right" else [407, None])
        told = "- 200 OK" if password == "right" else "ProxyAuthenticationFailed"
        eventually(lambda: log.exists() and told in log.read_text())
    assert server.run(project, "slow", {"seconds": 0})["status"] == "completed"


def test_a_proxy_is_never_told_again(server: RunwrightServer, project: str) -> None:
    run_id = server.run(
        project, "slow", {"seconds": 0}, proxy="http://user:hidden-word@127.0.0.1:9"
    )["runId"]

    assert "hidden-word" not in json.dumps(server.detail(run_id))
    for file in server.data_dir.parent.glob("*.log"):
        assert "hidden-word" not in file.read_text()


def test_a_download_lies_on_the_run(server: RunwrightServer, project: str) -> None:
    found = server.run(project, "downloads")

    detail = server.detail(found["runId"])
    (file,) = [each for each in detail["files"] if each["kind"] == "download"]
    with server.client() as client:
        answer = client.get(f"/projects/{project}/run/{found['runId']}/files/{file['id']}")
    assert answer.text == "hello"
    assert httpx2.get(f"{server.url}{file['signedUrl']}", timeout=60).text == "hello"
    other = file["signedUrl"].replace(found["runId"], "x" * 21)
    assert httpx2.get(f"{server.url}{other}", timeout=60).status_code == 404
    assert file["name"] == found["result"] == "a b.txt"
    assert 'filename="a b.txt"' in answer.headers["content-disposition"]


def test_a_retry_completes_and_keeps_both_attempts(
    server: RunwrightServer, project: str, tmp_path: Path
) -> None:
    mark = f"runwright-flaky-{tmp_path.name}"

    found = server.run(project, "flaky", {"mark": mark}, retry={})

    detail = server.detail(found["runId"])
    assert found["result"] == "kept"
    assert [each["status"] for each in detail["attempts"]] == ["failed", "completed"]
    assert detail["attributes"] == {"shop": mark}
    with server.client() as client:
        listed = client.get(f"/projects/{project}/runs", params={"attribute": f"shop:{mark}"})
    assert [each["runId"] for each in listed.json()["runs"]] == [found["runId"]]


def test_an_error_that_is_final_is_not_retried(server: RunwrightServer, project: str) -> None:
    found = server.run(project, "final", retry={"maximumAttempts": 5})

    assert len(server.detail(found["runId"])["attempts"]) == 1
    assert found["error"]["retirable"] is False


def test_extend_timeout_sets_the_clock_back(server: RunwrightServer, project: str) -> None:
    assert server.run(project, "extends", requestTimeout=10)["result"] == 1


def test_a_wait_ends_with_the_run_or_the_time(
    server: RunwrightServer, project: str, tmp_path: Path
) -> None:
    run_id = server.start(project, "gated", {"gate": str(tmp_path / "gate")})
    with server.client() as client:
        path = f"/projects/{project}/run/{run_id}/result"
        early = client.get(path, params={"wait": 0.2}).json()
        (tmp_path / "gate").touch()
        late = client.get(path, params={"wait": 60}).json()

    assert early["status"] in ("pending", "started")
    assert late["status"] == "completed"


@pytest.mark.parametrize(
    ("size", "status"), [(2 * 2**20 - 2, "completed"), (2 * 2**20 - 1, "failed")]
)
def test_two_mebibytes_are_the_most(
    server: RunwrightServer, project: str, size: int, status: str
) -> None:
    found = server.run(project, "big", {"size": size})

    assert found["status"] == status
    if status == "failed":
        assert found["error"]["code"] == "result-too-big-error"
        assert found["error"]["details"] == {"sizeInBytes": 2**21 + 1, "maxSizeInBytes": 2**21}


def test_no_trace_is_kept_when_none_is_wanted(server: RunwrightServer, project: str) -> None:
    without = server.run(project, "slow", {"seconds": 0}, saveTrace=False)["runId"]
    with_one = server.run(project, "slow", {"seconds": 0}, saveTrace=True)["runId"]

    (trace,) = eventually(lambda: server.detail(with_one)["files"])
    assert server.detail(without)["files"] == []
    with server.client() as client:
        content = client.get(f"/projects/{project}/run/{with_one}/files/{trace['id']}").content
    archive = zipfile.ZipFile(io.BytesIO(content))
    assert archive.testzip() is None
    events = [json.loads(line) for line in archive.read("trace.trace").splitlines()]
    assert events[0]["type"] == "context-options"


def test_events_tell_states_and_lines_and_can_be_resumed(
    server: RunwrightServer, project: str
) -> None:
    found = server.run(project, "flaky", {"mark": "runwright-events"}, retry={})
    path = f"/projects/{project}/run/{found['runId']}/events"

    with server.client() as client:
        whole = client.get(path).text
        again = client.get(path, headers={"last-event-id": "999999999"}).text

    assert whole.count("event: status") == 1
    assert '"status": "completed"' in whole
    assert "event: log" not in again


def _archive(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return raw.getvalue()


def _bomb() -> bytes:
    return _archive((tarfile.TarInfo("api/bomb.py"), bytes(600 * 2**20)))


def _link() -> tarfile.TarInfo:
    member = tarfile.TarInfo("api/link.py")
    member.type = tarfile.SYMTYPE
    member.linkname = "/etc/passwd"
    return member


@pytest.mark.parametrize(
    "make",
    [
        lambda: _archive((tarfile.TarInfo("../outside.py"), b"")),
        lambda: _archive((tarfile.TarInfo("/absolute.py"), b"")),
        lambda: _archive((_link(), b"")),
        lambda: b"no archive at all",
        lambda: _archive((tarfile.TarInfo("api/a.py"), b"x" * 100))[:40],
        _bomb,
    ],
    ids=["outside", "absolute", "link", "garbage", "cut", "bomb"],
)
def test_a_hostile_bundle_is_refused_and_changes_nothing(
    server: RunwrightServer, project: str, make: Callable[[], bytes]
) -> None:
    bundle = make()
    kind = {"content-type": "application/gzip"}
    with server.client() as client:
        before = client.get(f"/projects/{project}/deployments").json()
        answer = client.post(f"/projects/{project}/deployments", content=bundle, headers=kind)

        assert answer.status_code in (400, 413), answer.text
        assert client.get(f"/projects/{project}/deployments").json() == before


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"api/a.py": "def automation(page, params):\n    pass\n"}, "async def"),
        ({"api/a.py": "x = 1\n"}, "async def automation"),
        ({"api/a.py": "import sys\nsys.exit(3)\n"}, "SystemExit"),
        ({"api/a.py": "async def automation(:\n"}, "SyntaxError"),
        ({"b.py": ""}, "`api`"),
        ({"api/a.py": "", "pyproject.toml": "not toml"}, "pyproject.toml"),
        ({"api/a.py": "", "pyproject.toml": '[tool.runwright]\nbrowser = "ie"\n'}, "browser"),
        (
            {"api/a.py": "", "pyproject.toml": '[project]\ndependencies = ["no-such-dist-zzz"]\n'},
            "no-such-dist-zzz",
        ),
    ],
    ids=["not async", "no entry", "exits", "syntax", "no api", "toml", "setting", "dependency"],
)
def test_a_project_that_cannot_be_says_why(
    server: RunwrightServer, files: dict[str, str], said: str
) -> None:
    deployed: dict[str, Any] = server.deploy("wrong", files)

    assert deployed["status"] == "failed"
    assert said in deployed["error"]
