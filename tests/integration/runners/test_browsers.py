"""What sites see of our browsers, the shell and full Chromium, and what PDFs do in them."""

from __future__ import annotations

import contextlib
import dataclasses
import http.server
import re
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio
from helpers.chromiums import browser_of, close, settings_of
from helpers.server import answering, eventually_async
from playwright.async_api import Error, Page, async_playwright

from runwright import protocol
from runwright.runner.browser import user_agent
from runwright.runner.browser.browser import Chromium

pytestmark = pytest.mark.asyncio(loop_scope="module")

PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
_SCRIPTS = {
    "/worker.js": "postMessage(TOLD)",
    "/shared.js": "onconnect = event => event.ports[0].postMessage(TOLD)",
    "/service.js": (
        "onmessage = event => event.source.postMessage(TOLD);"
        "self.addEventListener('activate', event => event.waitUntil(clients.claim()))"
    ),
}
_TOLD = "navigator.userAgent + JSON.stringify(navigator.userAgentData)"
_TELL = """\
async () => {
  const details = ['fullVersionList', 'uaFullVersion'];
  const shared = new SharedWorker('/shared.js').port;
  const told = [
    navigator.userAgent,
    JSON.stringify(await navigator.userAgentData.getHighEntropyValues(details)),
    await new Promise(tell => { new Worker('/worker.js').onmessage = event => tell(event.data); }),
    await new Promise(tell => { shared.onmessage = event => tell(event.data); shared.start(); }),
  ];
  await navigator.serviceWorker.register('/service.js');
  const { active } = await navigator.serviceWorker.ready;
  told.push(await new Promise(tell => {
    navigator.serviceWorker.onmessage = event => tell(event.data);
    active.postMessage('');
  }));
  return told;
}
"""
_LINKS = (
    "<a id=plain href=/a.pdf>a</a> <a id=blank target=_blank href=/a.pdf>b</a>"
    "<a id=inline href=/inline.pdf>c</a>"
)


class _Site(http.server.BaseHTTPRequestHandler):
    seen: dict[str, str]
    """Headers of the last request of each path, as one text."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.seen[path] = str(self.headers)
        self.send_response(200)
        if path.endswith(".pdf"):
            kind, body = "application/pdf", PDF
        elif path in _SCRIPTS:
            kind, body = "text/javascript", _SCRIPTS[path].replace("TOLD", _TOLD).encode()
        else:
            kind, body = "text/html", _LINKS.encode()
        if "inline" in path:
            self.send_header("content-disposition", 'inline; filename="in.pdf"')
        self.send_header("accept-ch", "Sec-CH-UA-Full-Version-List")
        self.send_header("content-type", kind)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its own name
        """Say nothing."""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Downloads are kept where a Runner was told to, which here nobody does: in the working directory."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(name="site", scope="module")
def _site() -> Generator[str]:
    _Site.seen = {}
    with answering(_Site) as address:
        yield address


@pytest_asyncio.fixture(
    name="chromium", scope="module", loop_scope="module", params=["shell", "full"]
)
async def _chromium(request: pytest.FixtureRequest) -> AsyncGenerator[Chromium]:
    launched = Chromium(settings_of(request.param))
    await launched.launch()
    yield launched
    await close(launched)


async def _told(page: Page, address: str) -> list[str]:
    await page.goto(address)
    return await page.evaluate(_TELL)


async def _told_with_a_hook(settings: protocol.Browser, site: str) -> list[str]:
    chromium = Chromium(settings, with_cdp=True)
    await chromium.launch()
    opened = await chromium.open(proxy=None, trace=False)
    told = await _told(opened.page, f"{site}/hooked")
    async with async_playwright() as author:
        connected = await author.chromium.connect_over_cdp(await chromium.cdp_url())
        page = await (await connected.new_context()).new_page()
        told += await _told(page, f"{site}/connected")
        session = await connected.new_browser_cdp_session()
        await session.send("Target.createTarget", {"url": f"{site}/raw"})

        async def is_seen() -> bool:
            return "/raw" in _Site.seen

        await eventually_async(is_seen)
    await close(chromium)
    return told


async def test_nothing_of_our_browser_calls_itself_headless(chromium: Chromium, site: str) -> None:
    _Site.seen.clear()
    opened = await chromium.open(proxy=None, trace=False)
    own = await browser_of(opened.context).new_context()

    told = await _told(opened.page, f"{site}/ours")
    async with opened.page.expect_popup() as popup:
        await opened.page.evaluate("() => { window.open('/popup'); }")
    told.append(await (await popup.value).evaluate("navigator.userAgent"))
    told += await _told(await own.new_page(), f"{site}/own")
    told += await _told_with_a_hook(chromium._settings, site)
    await own.close()
    await opened.context.close()

    assert {"/ours", "/popup", "/own", "/hooked", "/connected", "/raw"} <= set(_Site.seen)
    everything = "\n".join([*told, *_Site.seen.values()])
    assert "Headless" not in everything
    agents = set(re.findall(r"Mozilla/5\.0[^\"\n{]*", everything.replace("\r", "")))
    assert agents == {user_agent.of_version(chromium.version)}
    if not chromium._settings.is_shell:
        assert f'"Chromium";v="{chromium.version.partition(".")[0]}"' in _Site.seen["/own"]


async def test_a_chosen_user_agent_is_that_of_every_context(site: str) -> None:
    given = ("--user-agent=the operator's",)
    chromium = Chromium(settings_of("shell", user_agent="the author's", arguments=given))
    await chromium.launch()
    opened = await chromium.open(proxy=None, trace=False)
    page = await browser_of(opened.context).new_page()

    agents = [await each.evaluate("navigator.userAgent") for each in (opened.page, page)]
    await close(chromium)

    assert agents == ["the author's"] * 2


async def test_a_program_that_does_not_tell_its_version_is_not_headless_either(
    tmp_path: Path,
) -> None:
    settings = settings_of("shell")
    silent = tmp_path / "chrome"
    silent.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && exit 1\nexec {settings.executable} "$@"\n'
    )
    silent.chmod(0o755)
    chromium = Chromium(dataclasses.replace(settings, executable=str(silent)))
    await chromium.launch()
    opened = await chromium.open(proxy=None, trace=False)

    agent = await opened.page.evaluate("navigator.userAgent")
    await close(chromium)

    assert agent == user_agent.of_version(chromium.version)


async def test_the_operators_arguments_take_nothing_of_playwrights_away() -> None:
    given = ("--disable-features=Translate", "--enable-features=Another", "--user-agent=theirs")
    chromium = Chromium(settings_of("shell", arguments=given))
    await chromium.launch()
    opened = await chromium.open(proxy=None, trace=False)

    agent = await opened.page.evaluate("navigator.userAgent")
    lines: list[list[str]] = []
    for each in psutil.Process().children(recursive=True):
        # Chromium's children come and go.
        with contextlib.suppress(psutil.Error):
            lines.append(each.cmdline())
    await close(chromium)

    assert agent == "theirs"
    line = next(each for each in lines if "--user-agent=theirs" in each and len(each) > 20)
    lists = [each for each in line if re.match("--(en|dis)able-features=", each)]
    assert len(lists) == 2, lists
    for feature in ("Translate", "Another", "PaintHolding", "UACHOverrideBlank"):
        assert feature in str(lists)


@pytest.mark.parametrize("link", ["plain", "blank", "inline"])
async def test_a_pdf_that_is_clicked_downloads(chromium: Chromium, site: str, link: str) -> None:
    opened = await chromium.open(proxy=None, trace=False)
    await opened.page.goto(f"{site}/")

    async with opened.page.expect_download() as told:
        await opened.page.click(f"#{link}")
    download = await told.value
    content = Path(await download.path()).read_bytes()
    await opened.context.close()

    assert content == PDF
    assert download.suggested_filename == ("in.pdf" if link == "inline" else "a.pdf")


async def test_going_to_a_pdf_says_that_it_downloads(chromium: Chromium, site: str) -> None:
    opened = await chromium.open(proxy=None, trace=False)

    async with opened.page.expect_download() as told:
        with pytest.raises(Error, match="Download is starting"):
            await opened.page.goto(f"{site}/a.pdf")
    download = await told.value
    await opened.context.close()

    assert download.suggested_filename == "a.pdf"
