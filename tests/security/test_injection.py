"""External text stays text: in headers, in the server's log, in file names."""

from __future__ import annotations

import json
import logging
import re
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
import structlog
from helpers.server import RunwrightServer, eventually

from runwright import telemetry

_HOSTILE = 'a"\r\nx-evil: 1\r\n\r\n\x1b[2J\x00é\u202e/../../b'
_HOSTILE_LINE = "b\n2026-01-01T00:00:00Z [error    ] fake\x1b[2J\r"
_LINE = re.compile(r"\d{4}-\d\d-\d\dT\S+Z \[(info|warning|error) *\] ")
_RETURNS = "async def automation(page, params):\n    return 1\n"
_PROJECT = {
    "api/uploads.py": (
        "import json, os, urllib.request\n"
        "async def automation(page, params):\n"
        "    await page.set_content('<a>get</a>')\n"
        "    await page.evaluate('''name => { const a = document.querySelector('a');\n"
        "        a.download = name; a.href = 'data:text/plain,x' }''', params['name'])\n"
        "    async with page.expect_download() as download:\n        await page.click('a')\n"
        "    await (await download.value).path()\n"
        "    print(params['name'])\n"
        "    return 'done'\n"
    )
}


def test_the_name_of_a_file_cannot_leave_its_header(server: RunwrightServer) -> None:
    server.deploy("injection", _PROJECT)
    run_id = server.start("injection", "uploads", {"name": _HOSTILE})
    assert server.result("injection", run_id)["result"] == "done"
    # The trace, and what was downloaded under the hostile name.
    files = eventually(lambda: _files(server, run_id))
    (download,) = [file for file in files if file["kind"] == "download"]

    with server.client() as client:
        for file in files:
            answer = client.get(httpx2.URL(server.url).join(file["url"]))
            disposition = answer.headers.get("content-disposition", "attachment")
            assert "x-evil" not in answer.headers
            assert disposition.isprintable()
            assert disposition.isascii()
            assert disposition.count('"') in (0, 2)
            assert answer.headers["x-content-type-options"] == "nosniff"
    assert "x-evil" in download["name"]


def _files(server: RunwrightServer, run_id: str) -> list[dict[str, Any]] | None:
    """Return the files of a Run once there are both."""
    found = server.detail(run_id)["files"]
    return found if len(found) == 2 else None


@pytest.mark.parametrize(
    "headers",
    [
        {"x-a": "b\r\nx-evil: 1"},
        {"x-a\r\nx-evil": "1"},
        {"x-a": "b\nc"},
        {"x-a": "b\0c"},
        {"host": "evil"},
        {"Content-Length": "1"},
        {"transfer-encoding": "chunked"},
        {"Webhook-Signature": "v1,forged"},
        {"": "x"},
        {"x a": "b"},
    ],
)
def test_headers_of_a_webhook_cannot_become_others(
    server: RunwrightServer, headers: dict[str, str]
) -> None:
    server.deploy("injection", _PROJECT)
    sink = {"type": "webhook", "url": "https://example.com", "headers": headers}

    with server.client() as client:
        body = {"api": "uploads", "parameters": {"name": "x"}, "sink": sink}
        answer = client.post("/projects/injection/run/start", json=body)

    assert answer.status_code == 400
    assert "x-evil" not in answer.headers


def test_no_caller_can_write_a_line_of_the_server_s_log(server: RunwrightServer) -> None:
    fake = "2026-01-01T00:00:00Z [error    ] fake line \x1b[31m"
    hostile = f"a\r\n{fake}"
    quoted = quote(hostile, safe="")
    with server.client() as client:
        for path in (f"/projects/{quoted}/runs", f"/runs/{quoted}", f"/keys/{quoted}"):
            client.get(path)
            client.delete(path)
        client.post("/projects/injection/run/start", json={"api": hostile, "parameters": {}})
        client.post("/keys", json={"name": hostile, "scopes": ["read"]})
        client.put(f"/projects/injection/variables/{quoted}", json={"value": hostile})
    names = (f"a{fake}", "b\x1b[31m", "c\r\n\x1b[31m")
    files = dict.fromkeys((f"api/{name}.py" for name in names), _RETURNS)
    assert server.deploy("injection-log", files)["status"] == "ready"
    for name in names:
        assert server.run("injection-log", name)["status"] == "completed"

    log = (server.data_dir.parent / f"{server.data_dir.name}.log").read_text()

    # All has come as far as the log, and stands there escaped.
    for escaped in ("fake line", r"api='b\x1b[31m'", r"api='c\r\n\x1b[31m'"):
        assert escaped in log
    assert "\x1b" not in log
    assert not [line for line in log.splitlines() if line.startswith(fake[:20])]


def _log_hostile(log: Any) -> None:
    def fail(password: str) -> None:
        raise ValueError(_HOSTILE_LINE)

    log.warning("event " + _HOSTILE_LINE)  # noqa: G003 - as it comes
    try:
        fail("hush-hush")
    except ValueError:
        log.exception("failed")


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_log_line_is_one_line_and_shows_no_values(
    log_format: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", root.handlers[:])
    monkeypatch.setattr(root, "level", root.level)
    try:
        telemetry.configure(log_format)
        structlog.get_logger("own").warning("event", field="\x1b[2J", other=_HOSTILE_LINE)
        for log in (structlog.get_logger("own"), logging.getLogger("theirs")):
            _log_hostile(log)
    finally:
        structlog.reset_defaults()
    lines = capfd.readouterr().err.splitlines()

    assert not [line for line in lines if "\x1b" in line or "\r" in line]
    assert not [line for line in lines if "hush-hush" in line and "fail(" not in line]
    if log_format == "json":
        assert [json.loads(line)["event"][:5] for line in lines] == [
            "event",
            *["event", "faile"] * 2,
        ]
    else:
        assert len([line for line in lines if _LINE.match(line)]) == 5
        assert all(_LINE.match(line) or line.startswith("  | ") for line in lines)


def test_the_answer_to_hostile_text_is_json(server: RunwrightServer) -> None:
    with server.client() as client:
        answer: Any = client.get("/projects/%22%0d%0ax-evil:%201%0d%0a/runs")

    assert "x-evil" not in answer.headers
    assert answer.json()["code"] == "not-found"
