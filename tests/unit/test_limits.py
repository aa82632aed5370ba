"""Which requests get a 429, counted in one process by the test's own clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi import FastAPI

from runwright import config
from runwright.web.server.limits import Limited
from runwright.web.server.waits import Waits

_Message = MutableMapping[str, Any]


async def _act(wait: float = 0, seen: int = 0) -> None:
    """A route that may be asked to wait."""


async def _follow() -> None:
    """A stream."""


def _routes() -> Waits:
    routes = FastAPI()
    routes.get("/a")(_act)
    routes.get("/a/events")(_follow)
    return Waits(routes)


@dataclass(kw_only=True)
class Server:
    """Serves what is under way until it is let go, and keeps who was refused."""

    settings: dict[str, str]
    now: float = 1000.0
    fails: bool = False
    served: int = 0
    reasons: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.limited = Limited(
            self._serve,
            _routes(),
            config.read(self.settings),
            self.reasons.append,
            lambda: self.now,
        )

    async def _serve(self, scope: _Message, receive: Any, send: Callable[..., Any]) -> None:
        self.served += 1
        if "gate" in scope:
            scope["begun"].set()
            await scope["gate"].wait()
        if self.fails:
            raise ConnectionError
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})

    async def ask(
        self,
        key: str = "k",
        path: str = "/a",
        query: str = "",
        *,
        header: str = "x-api-key",
        **more: Any,
    ) -> tuple[int, str | None]:
        """Ask for a path; return the status and when to ask again."""
        sent: list[_Message] = []

        async def send(message: _Message) -> None:
            sent.append(message)

        async def receive() -> _Message:
            return {"type": "http.request"}

        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "query_string": query.encode(),
            "headers": [(b"accept", b"*/*"), (header.encode(), key.encode())],
            "client": ("10.0.0.1", 1),
            "state": {},
            **more,
        }
        await self.limited(scope, receive, send)
        headers = dict(sent[0]["headers"]) if sent else {}
        retry_after = headers.get(b"retry-after")
        status = sent[0]["status"] if sent else 0
        return status, None if retry_after is None else retry_after.decode()

    @asynccontextmanager
    async def holding(self, *asked: dict[str, Any]) -> AsyncGenerator[None]:
        """Have these requests under way until the block ends."""
        gate = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for each in asked:
                begun = asyncio.Event()
                group.create_task(self.ask(**each, gate=gate, begun=begun))
                await begun.wait()
            try:
                yield
            finally:
                gate.set()


async def test_what_acts_is_bounded_over_all_and_by_key() -> None:
    server = Server(
        settings={"RUNWRIGHT_MAX_REQUESTS_IN_FLIGHT": "3", "RUNWRIGHT_KEY_REQUESTS_IN_FLIGHT": "2"}
    )

    async with server.holding({"key": "a"}):
        assert (await server.ask("a"))[0] == 200
        async with server.holding({"key": "a"}):
            assert await server.ask("a") == (429, "1")
            assert (await server.ask("b"))[0] == 200
            async with server.holding({"key": "b"}):
                assert (await server.ask("b"))[0] == 429
    async with server.holding({"key": "a"}, {"key": "b"}):
        assert (await server.ask("a"))[0] == 200

    assert server.reasons == ["key_in_flight", "in_flight"]


async def test_what_fails_is_no_longer_under_way() -> None:
    server = Server(
        settings={
            "RUNWRIGHT_MAX_REQUESTS_IN_FLIGHT": "1",
            "RUNWRIGHT_KEY_REQUESTS_IN_FLIGHT": "1",
            "RUNWRIGHT_MAX_REQUESTS_WAITING": "1",
        },
        fails=True,
    )
    for query in ("", "wait=1"):
        with pytest.raises(ConnectionError):
            await server.ask(query=query)

    server.fails = False

    assert [await server.ask(query=query) for query in ("", "wait=1")] == [(200, None)] * 2
    assert not server.limited._of_key


@pytest.mark.parametrize(
    "late", [{"query": "wait=5"}, {"query": "seen=1&wait=5"}, {"path": "/a/events"}]
)
async def test_what_waits_takes_no_place_of_what_acts(late: dict[str, str]) -> None:
    server = Server(
        settings={
            "RUNWRIGHT_MAX_REQUESTS_IN_FLIGHT": "1",
            "RUNWRIGHT_KEY_REQUESTS_IN_FLIGHT": "1",
            "RUNWRIGHT_MAX_REQUESTS_WAITING": "2",
        }
    )

    async with server.holding(late, late):
        assert (await server.ask(query="await=1"))[0] == 200
        assert (await server.ask(**late))[0] == 429
        async with server.holding({}):
            assert (await server.ask())[0] == 429
    async with server.holding(late):
        assert (await server.ask(**late))[0] == 200
        async with server.holding(late):
            assert (await server.ask(**late))[0] == 429

    assert server.reasons == ["waiting", "in_flight", "waiting"]


@pytest.mark.parametrize(
    ("request_", "is_exempt"),
    [
        ({"path": "/healthz"}, True),
        ({"path": "/readyz"}, True),
        ({"path": "/metrics"}, True),
        ({"path": "/api/token/functions/state"}, True),
        ({"path": "/api/a/b/functions/state"}, False),
        ({"path": "/x/api/token/functions/state"}, False),
        ({"path": "/files/1", "method": "PUT"}, True),
        ({"path": "/files/1", "method": "GET"}, False),
        ({"path": "/a/files/1", "method": "PUT"}, False),
        ({"path": "/a", "type": "websocket"}, True),
    ],
)
async def test_probes_and_attempts_are_never_refused(
    request_: dict[str, str], is_exempt: bool
) -> None:
    server = Server(settings={"RUNWRIGHT_MAX_REQUESTS_IN_FLIGHT": "1"})

    async with server.holding({}):
        await server.ask(**request_)

    assert server.reasons == ([] if is_exempt else ["in_flight"])
    assert server.served == (2 if is_exempt else 1)


async def test_a_key_is_told_when_it_may_ask_again() -> None:
    server = Server(settings={"RUNWRIGHT_KEY_REQUESTS_PER_SECOND": "0.25"})

    first, second = await server.ask("a"), await server.ask("a")
    other = await server.ask("b")
    server.now += 3
    early = await server.ask("a")
    server.now += 1
    late, later = await server.ask("a"), await server.ask("a")

    assert (first[0], second, other[0]) == (200, (429, "4"), 200)
    assert early == (429, "1")
    assert (late[0], later) == (200, (429, "4"))
    assert set(server.reasons) == {"key_rate"}


async def test_a_key_that_was_silent_for_long_has_one_second_s_requests_and_no_more() -> None:
    server = Server(settings={"RUNWRIGHT_KEY_REQUESTS_PER_SECOND": "3"})
    await server.ask()

    server.now += 3600
    answers = [(await server.ask())[0] for _ in range(5)]

    assert answers == [200, 200, 200, 429, 429]


async def test_without_a_rate_a_key_may_ask_as_often_as_it_likes() -> None:
    server = Server(settings={"RUNWRIGHT_KEY_REQUESTS_PER_SECOND": "0"})

    assert {(await server.ask())[0] for _ in range(100)} == {200}


async def test_the_keys_that_asked_last_are_remembered() -> None:
    server = Server(settings={"RUNWRIGHT_KEY_REQUESTS_PER_SECOND": "1"})
    for number in range(10_001):
        await server.ask(str(number))

    assert (await server.ask("1"))[0] == 429
    assert (await server.ask("0"))[0] == 200


async def test_a_request_counts_for_its_key_and_without_one_for_its_address() -> None:
    server = Server(settings={"RUNWRIGHT_KEY_REQUESTS_PER_SECOND": "1"})

    same = [await server.ask("a"), await server.ask("a", header="authorization")]
    addresses: list[Any] = [("10.0.0.1", 1), ("10.0.0.1", 2), ("10.0.0.2", 1), None, None]
    apart = [
        await server.ask(str(number), header="x-other", client=client)
        for number, client in enumerate(addresses)
    ]

    assert [status for status, _ in same] == [200, 429]
    assert [status for status, _ in apart] == [200, 429, 200, 200, 429]
