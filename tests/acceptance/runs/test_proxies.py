"""A project's proxies: for its deployed Runs, and for `dev`."""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from subprocess import run
from typing import Any

from helpers.server import RunwrightServer, answering
from outside import certificates, pages, proxies


class _Greeting(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<h1>hello</h1>")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its own name
        """Say nothing."""


_READS = (
    "from runwright.sdk import run_info\n"
    "async def automation(page, params):\n"
    "    await page.goto(params['url'])\n"
    "    return [await page.inner_text('h1'), run_info().proxy]\n"
)


def test_runs_go_through_their_projects_proxy_unless_they_name_their_own(
    server: RunwrightServer, tmp_path: Path
) -> None:
    with (
        pages.serving({"/": "<h1>behind</h1>"}) as address,
        proxies.serving_socks("ann", "s@cret:") as (port, places),
        proxies.serving(tmp_path, "bob", "own") as (own, log),
    ):
        settings = f'[tool.runwright.proxy]\ndeployed = "socks5://ann:s%40cret%3a@127.0.0.1:{port}"'
        deployed = server.deploy("proxied", {"pyproject.toml": settings, "api/reads.py": _READS})
        assert deployed["status"] == "ready", deployed["error"]
        site = {"url": f"{address}/"}
        project = server.run("proxied", "reads", site)
        asked = list(places)
        named = server.run("proxied", "reads", site, proxy=f"http://bob:own@127.0.0.1:{own}")
        with server.client() as client:
            told = client.get(f"/projects/proxied/deployments/{deployed['id']}").text

    assert project["result"] == ["behind", f"socks5://127.0.0.1:{port}"]
    assert asked == [address.rpartition("/")[2]]
    assert named["result"] == ["behind", f"http://127.0.0.1:{own}"]
    assert places == asked
    assert "GET" in log.read_text()
    assert f"socks5://127.0.0.1:{port}" in str(deployed["progress"])
    assert "cret" not in told


def test_dev_goes_through_its_own_proxy_with_the_settings_of_the_project(tmp_path: Path) -> None:
    (tmp_path / "api").mkdir()
    (tmp_path / "api" / "reads.py").write_text(_READS)
    with (
        answering(_Greeting, certificates.self_signed(tmp_path)) as address,
        proxies.serving_socks("ann", "secret") as (port, places),
    ):
        proxy = f"socks5://ann:secret@127.0.0.1:{port}"
        settings = {"proxy": {"dev": proxy}, "ignoreHttpsErrors": True, "browser": "shell"}
        (tmp_path / "Intuned.json").write_text(json.dumps(settings))
        command = ["dev", "reads", "--folder", str(tmp_path), "--params", f'{{"url": "{address}"}}']
        done = run(
            [sys.executable, "-m", "runwright.cli.main", *command],
            capture_output=True,
            text=True,
            check=False,
        )

    assert json.loads(done.stdout) == ["hello", f"socks5://127.0.0.1:{port}"], done.stderr
    assert places == [address.rpartition("/")[2]]
