"""A connection lost midway: the page says so, reconnects by itself, and has missed nothing."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Generator
from typing import Self

from helpers import browsing
from helpers.server import RunwrightServer, eventually
from playwright.sync_api import Browser, expect


class Cable:
    """A connection to the server that can be cut and mended."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._loop = asyncio.new_event_loop()
        self._open: set[asyncio.StreamWriter] = set()
        self._is_cut = False
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.port = 0

    def cut(self) -> None:
        """Break what is open and let nothing through."""
        self._call(self._cut())

    def mend(self) -> None:
        """Let everything through again."""
        self._is_cut = False

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._cut())
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _call(self, work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)  # type: ignore[arg-type]

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        async with server:
            await self._stop.wait()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _cut(self) -> None:
        self._is_cut = True
        for writer in list(self._open):
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._to)
        self._open |= {writer, inner_writer}
        with contextlib.suppress(OSError):
            await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))
        self._open -= {writer, inner_writer}


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(65_536):
            writer.write(chunk)
            await writer.drain()
    writer.close()


@contextlib.contextmanager
def _cable(server: RunwrightServer) -> Generator[Cable]:
    with Cable(int(server.url.rpartition(":")[2])) as found:
        yield found


def test_a_run_that_is_followed_misses_no_line_and_not_its_end(
    chromium: Browser, server: RunwrightServer, shop: str
) -> None:
    run_id = server.start(shop, "counts", {"lines": 400, "pause": 0.02})
    with (
        _cable(server) as cable,
        browsing.person(chromium, server, base=f"http://127.0.0.1:{cable.port}") as anna,
    ):
        page = anna.go(f"/projects/{shop}/runs/{run_id}")
        expect(page.get_by_role("log")).to_contain_text("line 5")

        cable.cut()
        expect(page.get_by_text("The connection to the server is lost")).to_be_visible()
        eventually(lambda: server.result(shop, run_id)["status"] == "completed")
        cable.mend()

        expect(page.locator("#run-outcome")).to_contain_text("Result")
        expect(page.get_by_text("The connection to the server is lost")).to_be_hidden()
        expect(page.locator(".log-line")).to_have_count(400)
        lines = page.locator(".log-line .words").all_text_contents()
        assert lines == [f"line {number}" for number in range(400)]


def test_a_connection_that_is_lost_again_is_told_again(
    chromium: Browser, server: RunwrightServer, shop: str
) -> None:
    with (
        _cable(server) as cable,
        browsing.person(chromium, server, base=f"http://127.0.0.1:{cable.port}") as anna,
    ):
        page = anna.go(f"/projects/{shop}/runs")
        told = page.get_by_text("The connection to the server is lost")
        for _ in range(2):
            cable.cut()
            expect(told).to_be_visible()
            cable.mend()
            expect(told).to_be_hidden()


def test_a_table_that_was_cut_off_shows_what_came_meanwhile(
    chromium: Browser, server: RunwrightServer, shop: str
) -> None:
    with (
        _cable(server) as cable,
        browsing.person(chromium, server, base=f"http://127.0.0.1:{cable.port}") as anna,
    ):
        page = anna.go(f"/projects/{shop}/runs?api=counts")
        before = server.start(shop, "counts", {"lines": 1})
        expect(page.locator("main")).to_contain_text(before[:8])

        cable.cut()
        meanwhile = server.start(shop, "counts", {"lines": 1})
        server.result(shop, meanwhile)
        cable.mend()

        row = page.locator("tbody tr", has_text=meanwhile[:8])
        expect(row).to_contain_text("completed")


def test_who_was_signed_out_meanwhile_is_sent_to_sign_in(
    chromium: Browser, server: RunwrightServer, shop: str
) -> None:
    with server.client() as client:
        key = client.post("/keys", json={"name": "short", "scopes": ["read"]}).json()
    with browsing.person(chromium, server, key=key["key"]) as anna:
        page = anna.go(f"/projects/{shop}/runs")
        with server.client() as client:
            client.delete(f"/keys/{key['id']}")

        expect(page.get_by_label("API key")).to_be_visible()
