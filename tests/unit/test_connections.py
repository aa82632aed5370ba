"""Which connections are closed, and when: by a clock of the test's own, over real sockets."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from runwright import config
from runwright.web.server import connections

_GET = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n"
_ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, piece: bytes) -> None:
        """Send, and let the server take it."""
        self.writer.write(piece)
        await _all_that_can()

    async def answer(self) -> bytes:
        """Return the head of an answer."""
        async with asyncio.timeout(60):
            return await self.reader.readuntil(b"\r\n\r\n")

    def is_closed(self) -> bool:
        """Return whether the server has closed it."""
        return self.reader.at_eof() or self.reader.exception() is not None


class Server:
    """Answers when it may, in a time that passes as the test says."""

    def __init__(self, settings: dict[str, str]) -> None:
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.reads_body = True
        self.state = ServerState()
        self._loop: Any = asyncio.get_running_loop()
        self._real = self._loop.time
        self._ahead = 0.0
        self._loop.time = lambda: self._real() + self._ahead
        self._config = uvicorn.Config(
            self._app, interface="asgi3", log_config=None, access_log=False, lifespan="off"
        )
        self._protocol = connections.protocol(config.read(settings))
        self._clients: list[asyncio.StreamWriter] = []
        self.port = 0

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Server]:
        """Listen until the block ends."""
        listening = await self._loop.create_server(
            lambda: self._protocol(config=self._config, server_state=self.state, app_state={}),
            "127.0.0.1",
        )
        self.port = listening.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            del self._loop.time
            for each in self._clients:
                each.transport.abort()
            listening.close()
            await listening.wait_closed()

    async def connect(self) -> Client:
        """Connect, and let the server see that."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._clients.append(writer)
        await _all_that_can()
        return Client(reader, writer)

    async def pass_seconds(self, seconds: float) -> None:
        """Let time pass, and happen what is due."""
        self._ahead += seconds
        await _all_that_can()

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            while (await receive())["type"] != "websocket.disconnect":
                pass
            return
        if self.reads_body:
            await receive()
        await self.may_answer.wait()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})


async def _all_that_can() -> None:
    """Let what was sent arrive at the other end and be worked on."""
    for _ in range(50):
        await asyncio.sleep(0)


@pytest.fixture(name="server")
async def _server() -> AsyncGenerator[Server]:
    settings = {"RUNWRIGHT_HEADER_TIMEOUT": "7", "RUNWRIGHT_MAX_CONNECTIONS": "3"}
    async with Server(settings).open() as server:
        yield server


@pytest.mark.parametrize("begun", [b"", b"GET / HT", _GET[:-2], b"\r\n"])
async def test_a_head_has_its_time_from_the_beginning_of_the_connection(
    server: Server, begun: bytes
) -> None:
    client = await server.connect()
    await client.send(begun)

    await server.pass_seconds(6)
    assert not client.is_closed()
    await server.pass_seconds(2)
    assert client.is_closed()


async def test_every_head_has_its_time_anew(server: Server) -> None:
    client = await server.connect()
    for _ in range(3):
        await server.pass_seconds(4)
        await client.send(_GET[:-2])
        await server.pass_seconds(6)
        await client.send(_GET[-2:])
        assert (await client.answer()).startswith(b"HTTP/1.1 204 ")

    await client.send(_GET[:-2])
    await server.pass_seconds(8)

    assert client.is_closed()


async def test_an_answer_may_take_as_long_as_it_likes(server: Server) -> None:
    server.may_answer.clear()
    client = await server.connect()
    await client.send(_GET)
    await server.pass_seconds(3600)

    server.may_answer.set()

    assert (await client.answer()).startswith(b"HTTP/1.1 204 ")


async def test_who_asks_for_nothing_more_is_let_go(server: Server) -> None:
    client = await server.connect()
    await client.send(_GET)
    await client.answer()

    await server.pass_seconds(4)
    assert not client.is_closed()
    await server.pass_seconds(2)
    assert client.is_closed()


async def test_blank_lines_after_an_answer_are_no_request(server: Server) -> None:
    client = await server.connect()
    await client.send(_GET)
    await client.answer()

    for _ in range(9):
        await server.pass_seconds(1)
        await client.send(b"\r\n")

    assert client.is_closed()


async def test_a_body_that_nobody_reads_comes_in_its_time(server: Server) -> None:
    server.reads_body = False
    slow, silent, swift = [await server.connect() for _ in range(3)]
    for each in (slow, silent, swift):
        await each.send(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1000000\r\n\r\nx")
        assert (await each.answer()).startswith(b"HTTP/1.1 204 ")

    for each in (slow, silent, swift):
        await each.send(b"x")
    for _ in range(9):
        await server.pass_seconds(1)
        await slow.send(b"x")
        await swift.send(b"x" * 100_000)
    assert [each.is_closed() for each in (slow, silent, swift)] == [True, True, False]

    await swift.send(b"x" * (1_000_000 - 9 * 100_000 - 2))
    await swift.send(_GET)
    assert (await swift.answer()).startswith(b"HTTP/1.1 204 ")


async def test_a_connection_that_becomes_a_web_socket_has_no_deadline(server: Server) -> None:
    client = await server.connect()
    await client.send(_GET)
    await client.answer()
    await client.send(
        b"GET / HTTP/1.1\r\nhost: h\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
        b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    assert (await client.answer()).startswith(b"HTTP/1.1 101 ")

    await server.pass_seconds(15)

    assert not client.is_closed()


async def test_connections_above_the_bound_are_closed_until_one_leaves(server: Server) -> None:
    held = [await server.connect() for _ in range(3)]
    above = await server.connect()
    assert [each.is_closed() for each in (*held, above)] == [False, False, False, True]
    # It is forgotten, with its deadline.
    assert len(server.state.connections) == 3

    held[0].writer.close()
    await _all_that_can()
    last = await server.connect()

    await last.send(_GET)
    assert (await last.answer()).startswith(b"HTTP/1.1 204 ")


async def test_who_has_left_is_not_waited_for(server: Server) -> None:
    client = await server.connect()
    protocol: Any = next(iter(server.state.connections))
    client.writer.close()
    await _all_that_can()

    assert protocol._deadline is None


def test_without_settings_of_their_own_heads_have_20_seconds() -> None:
    found = connections.protocol(config.read({}))

    assert found.head_seconds == connections.Patient.head_seconds == 20
    assert found.most <= config.read({}).max_connections


_FILES = """
import resource
from runwright import config, errors
from runwright.web.server import connections
settings = config.read({"RUNWRIGHT_MAX_CONNECTIONS": "2000"})
for limits in ((3000, 3000), (100, 2000), (1024, 1024), (600, 1023)):
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    try:
        print(connections.protocol(settings).most, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    except errors.ConfigError as error:
        print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit on Windows")
def test_files_are_left_for_all_that_is_no_connection() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FILES], capture_output=True, text=True, check=True
    )

    *found, refusal = done.stdout.splitlines()
    assert found == ["2000 3000", "1488 2000", "512 1024"]
    assert refusal.startswith("This process may open 1023 files but needs 1024: ")
