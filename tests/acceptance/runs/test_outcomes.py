"""The outcome is what the author's function returned, at the moment it returned, whatever follows."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Generator
from typing import Any

import pytest
from helpers.server import RunwrightServer, answering, eventually

CLOSES = {
    "page": "await page.close()",
    "context": "await page.context.close()",
    "browser": "await page.context.browser.close()",
    "all": "await page.close(); await page.context.close(); await page.context.browser.close()",
    "in_block": "\n    async with page.context.browser:\n        pass",
}
PROJECT = {
    **{
        f"api/{name}.py": (
            "from pathlib import Path\nasync def automation(page, params):\n"
            "    await page.set_content('<h1>here</h1>')\n"
            "    with Path(params['count']).open('a') as file:\n        file.write('x')\n"
            f"    {code}\n    return await answer()\n"
            "async def answer():\n    import asyncio\n    await asyncio.sleep(0.1)\n    return 'mine'\n"
        )
        for name, code in CLOSES.items()
    },
    "api/uses_after.py": (
        "async def automation(page, params):\n"
        "    await page.context.browser.close()\n    await page.goto('about:blank')\n"
    ),
    "api/downloads.py": (
        "async def automation(page, params):\n"
        "    await page.goto(params['url'])\n"
        "    async with page.expect_download() as download:\n        await page.click(params['link'])\n"
        "    return (await download.value).suggested_filename\n"
    ),
    "api/closes_after_download.py": (
        "async def automation(page, params):\n"
        "    await page.goto(params['url'])\n"
        "    async with page.expect_download() as download:\n        await page.click('#whole')\n"
        "    await (await download.value).path()\n    await page.context.close()\n"
    ),
    "api/hung.py": (
        "async def automation(page, params):\n"
        "    await page.set_content('<h1>here</h1>')\n"
        "    await page.evaluate('setTimeout(() => { for (;;) {} }, 10)')\n    return 'mine'\n"
    ),
    "api/odd_error.py": (
        "class Odd(Exception):\n"
        "    def __init__(self):\n        self.detail = self\n"
        "    def __str__(self):\n        raise ValueError('no text')\n    __repr__ = __str__\n"
        "async def automation(page, params):\n    raise Odd\n"
    ),
    "api/long_error.py": (
        "async def automation(page, params):\n"
        "    raise ValueError('a' * 3_000_000 + chr(0xd800) + chr(0) + 'end')\n"
    ),
    "api/late.py": (
        "import time\nasync def automation(page, params):\n"
        "    for n in range(20_000):\n        print('line', n)\n    return 'mine'\n"
    ),
}


class _Site(http.server.BaseHTTPRequestHandler):
    streaming = threading.Event()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its own name
        pass

    def do_GET(self) -> None:
        if self.path == "/":
            body = b"<a id=whole href=/whole>whole</a> <a id=endless href=/endless>endless</a>"
            self._begin("text/html", len(body))
            self.wfile.write(body)
            return
        self.send_response(200)
        self.send_header("content-disposition", f"attachment; filename={self.path[1:]}.bin")
        if self.path == "/whole":
            self.send_header("content-length", "5")
        self.end_headers()
        self.wfile.write(b"hello")
        if self.path == "/endless":
            self._stream()

    def _stream(self) -> None:
        self.streaming.set()
        slowly = threading.Event()
        try:
            while True:
                self.wfile.write(b"x" * 1000)
                slowly.wait(0.05)
        except OSError:
            self.streaming.clear()

    def _begin(self, kind: str, length: int) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(length))
        self.end_headers()


@pytest.fixture(scope="module", name="site")
def _site() -> Generator[str]:
    with answering(_Site) as url:
        yield url


@pytest.fixture(scope="module", name="project")
def _project(server: RunwrightServer) -> str:
    server.deploy("outcomes", PROJECT)
    return "outcomes"


@pytest.mark.parametrize("what", CLOSES)
def test_what_the_author_closes_takes_nothing_away(
    server: RunwrightServer, project: str, what: str, tmp_path: Any
) -> None:
    count = tmp_path / "count"

    found = server.run(project, what, {"count": str(count)}, retry={"maximumAttempts": 3})

    assert found["result"] == "mine"
    assert count.read_text() == "x"
    eventually(lambda: _files(server, found["runId"]) == ["trace"])
    assert server.run(project, "page", {"count": str(count)})["status"] == "completed"


def test_using_a_browser_that_one_has_closed_is_the_authors_mistake(
    server: RunwrightServer, project: str
) -> None:
    found = server.run(project, "uses_after", {})

    assert found["error"]["code"] == "script-execution-exception"
    assert "closed" in found["message"]


def test_a_download_that_never_ends_holds_up_nothing(
    server: RunwrightServer, project: str, site: str
) -> None:
    found = server.run(project, "downloads", {"url": site, "link": "#endless"})

    assert found["result"] == "endless.bin"
    assert _Site.streaming.is_set()


def test_a_download_is_kept_when_the_author_closes_the_context(
    server: RunwrightServer, project: str, site: str
) -> None:
    found = server.run(project, "closes_after_download", {"url": site})

    eventually(lambda: _files(server, found["runId"]) == ["download", "trace"])


def test_a_page_that_hangs_holds_up_nothing(server: RunwrightServer, project: str) -> None:
    found = server.run(project, "hung", {})

    assert found["result"] == "mine"


def test_an_error_that_has_no_text_is_told_by_its_type(
    server: RunwrightServer, project: str
) -> None:
    found = server.run(project, "odd_error", {})

    assert found["error"]["code"] == "script-execution-exception"
    assert found["message"].startswith("Odd: ")
    assert "api/odd_error.py" in found["error"]["details"]["traceback"]


def test_an_error_of_megabytes_is_told_with_its_end(server: RunwrightServer, project: str) -> None:
    found = server.run(project, "long_error", {})

    assert found["error"]["code"] == "script-execution-exception"
    assert found["message"].endswith("end")
    assert len(found["message"]) < 100_000


def _files(server: RunwrightServer, run_id: str) -> list[str]:
    return sorted(each["kind"] for each in server.detail(run_id)["files"])
