"""Outgoing traffic of an Attempt's browser: SOCKS proxies with a password, sites with untrusted certificates."""

from __future__ import annotations

import asyncio
import http.server
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
import pytest_asyncio
from helpers.chromiums import browser_of, close, settings_of
from helpers.server import answering
from outside import certificates, proxies
from playwright.async_api import Error, Page

from runwright import protocol
from runwright.execution.outgoing.outgoing import Outgoing
from runwright.runner.browser.browser import Chromium

pytestmark = pytest.mark.asyncio(loop_scope="module")

_PASSWORD = "p%ss w:r/d@é"
_BIG = 3_000_000


class _Site(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(b"x" * _BIG if self.path == "/big" else b"<h1>%s</h1>" % self._host())

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["content-length"])))

    def _host(self) -> bytes:
        return f"{self.path} of {self.headers['host']}".encode()

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its own name
        """Say nothing."""


@dataclass(kw_only=True)
class Way:
    """A browser behind a SOCKS proxy."""

    chromium: Chromium
    outgoing: Outgoing
    proxy: protocol.Proxy
    page: Page
    places: list[str]
    warnings: list[str] = field(default_factory=list)


@pytest.fixture(name="sites", scope="module")
def _sites(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[str, str, str]]:
    """Two plain sites and one of TLS."""
    tls = certificates.self_signed(tmp_path_factory.mktemp("tls"))
    with answering(_Site) as one, answering(_Site) as two, answering(_Site, tls) as three:
        yield one, two.replace("127.0.0.1", "localhost"), three


@pytest_asyncio.fixture(name="chromium", scope="module", loop_scope="module")
async def _chromium() -> AsyncGenerator[Chromium]:
    launched = Chromium(settings_of("shell", ignore_https_errors=True))
    await launched.launch()
    yield launched
    await close(launched)


@pytest_asyncio.fixture(name="way", scope="module", loop_scope="module")
async def _way(chromium: Chromium) -> AsyncGenerator[Way]:
    with proxies.serving_socks("ann", _PASSWORD) as (port, places):
        warnings: list[str] = []
        outgoing = Outgoing(
            f"socks5h://ann:{quote(_PASSWORD, safe='')}@127.0.0.1:{port}", warnings.append
        )
        proxy = await outgoing.open()
        assert proxy is not None
        opened = await chromium.open(proxy=proxy, trace=False)
        yield Way(
            chromium=chromium,
            outgoing=outgoing,
            proxy=proxy,
            page=opened.page,
            places=places,
            warnings=warnings,
        )
        await opened.context.close()
        await outgoing.close()


async def test_a_browser_goes_through_a_socks_proxy_that_wants_a_password(
    way: Way, sites: tuple[str, str, str]
) -> None:
    told: list[str] = []
    for _ in range(2):
        for number, site in enumerate(sites):
            await way.page.goto(f"{site}/{number}")
            told.append(await way.page.inner_text("h1"))

    places = [site.rpartition("/")[2] for site in sites]
    assert told == [f"/{number} of {place}" for number, place in enumerate(places)] * 2
    assert way.proxy.stands_for is not None
    assert way.proxy.stands_for.startswith("socks5://127.0.0.1:")
    assert set(places) <= set(way.places)
    assert way.warnings == []


async def test_what_is_sent_and_what_is_long_comes_through_whole(
    way: Way, sites: tuple[str, str, str]
) -> None:
    for site in (sites[0], sites[2]):
        await way.page.goto(f"{site}/")
        sent, length = await way.page.evaluate(
            "async () => [await (await fetch('/', {method: 'POST', body: 'ü'.repeat(1e6)})).text(),"
            " (await (await fetch('/big')).text()).length]"
        )

        assert sent == "ü" * 1_000_000
        assert length == _BIG


async def test_playwrights_own_requests_go_the_same_way(
    way: Way, sites: tuple[str, str, str]
) -> None:
    way.places.clear()

    answers = [await way.page.context.request.get(f"{site}/own") for site in sites]

    assert [each.status for each in answers] == [200] * 3
    assert way.places == [site.rpartition("/")[2] for site in sites]


async def test_nobody_else_can_use_the_way(way: Way, sites: tuple[str, str, str]) -> None:
    wrong = way.proxy.server.replace("://", "://attempt:wrong@")

    for proxy in (way.proxy.server, wrong):
        async with httpx2.AsyncClient(proxy=proxy) as other:
            assert (await other.get(f"{sites[0]}/")).status_code == 407


@pytest.mark.parametrize(
    "request_text",
    [
        "GET / HTTP/1.1",
        "GET ftp://h/ HTTP/1.1",
        "nonsense",
        "CONNECT :0 HTTP/1.1",
        "\xff \xff \xff",
    ],
)
async def test_what_is_no_request_is_refused(way: Way, request_text: str) -> None:
    credentials = httpx2.BasicAuth(way.proxy.username or "", way.proxy.password or "")._auth_header
    port = int(way.proxy.server.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{request_text}\r\nProxy-Authorization: {credentials}\r\n\r\n".encode("latin-1"))

    assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
    writer.close()


async def test_why_a_proxy_refuses_is_told(
    chromium: Chromium, way: Way, sites: tuple[str, str, str]
) -> None:
    port = (way.proxy.stands_for or "").rpartition(":")[2]

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        await reader.read()
        writer.close()

    greeter = await asyncio.start_server(greet, "127.0.0.1", 0)
    greeting = greeter.sockets[0].getsockname()[1]
    for address, reason in (
        (f"ann:wrong@127.0.0.1:{port}", "rejected the user name or password"),
        ("ann:x@127.0.0.1:9", "cannot be reached"),
        (f"ann:x@127.0.0.1:{greeting}", "is not a SOCKS5 proxy"),
    ):
        warnings: list[str] = []
        outgoing = Outgoing(f"socks5://{address}", warnings.append)
        opened = await chromium.open(proxy=await outgoing.open(), trace=False)

        for site in (sites[2], sites[2]):
            with pytest.raises(Error, match="ERR_TUNNEL_CONNECTION_FAILED"):
                await opened.page.goto(site)
        await opened.context.close()
        await outgoing.close()

        assert len(warnings) == 1, warnings
        assert reason in warnings[0]
    greeter.close()


async def test_a_way_that_is_closed_leads_nowhere(way: Way) -> None:
    outgoing = Outgoing("socks5://ann:x@127.0.0.1:9", way.warnings.append)
    proxy = await outgoing.open()
    assert proxy is not None
    port = int(proxy.server.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await outgoing.close()

    assert await reader.read() == b""
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_sites_that_nobody_vouches_for_open_in_every_context(
    chromium: Chromium, sites: tuple[str, str, str]
) -> None:
    opened = await chromium.open(proxy=None, trace=False)
    own = await browser_of(opened.context).new_page()

    for page in (opened.page, own):
        await page.goto(f"{sites[2]}/")
        assert "of 127.0.0.1" in await page.inner_text("h1")
    await own.context.close()
    await opened.context.close()
