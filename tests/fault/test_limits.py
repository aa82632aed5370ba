"""Too many, too slow, too idle: clear refusals, and everyone else is served."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import httpx2
import pytest
from helpers.server import RunwrightServer, environment, eventually, eventually_async, serving

_IDLE = int(environment().get("IDLE_CONNECTIONS", "1000"))
_PROJECT = {
    "api/a.py": "async def automation(page, params):\n    return params\n",
    "api/gated.py": (
        "import asyncio, pathlib\nasync def automation(page, params):\n"
        "    while not pathlib.Path(params['gate']).exists():\n        await asyncio.sleep(0.05)\n"
    ),
}


@pytest.fixture(scope="module", name="narrow")
def _narrow(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunwrightServer]:
    """Return a server with narrow limits."""
    with serving(
        tmp_path_factory.mktemp("narrow") / "data",
        RUNWRIGHT_MAX_REQUESTS_IN_FLIGHT="8",
        RUNWRIGHT_KEY_REQUESTS_IN_FLIGHT="4",
        RUNWRIGHT_MAX_REQUESTS_WAITING="3",
        RUNWRIGHT_HEADER_TIMEOUT="2",
        RUNWRIGHT_BODY_TIMEOUT="1",
    ) as server:
        server.deploy("p", _PROJECT)
        yield server


def _connect(server: RunwrightServer) -> socket.socket:
    host, port = server.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=30)


async def _burst(server: RunwrightServer, path: str, count: int) -> list[httpx2.Response]:
    base = f"{server.url}/api/v1/workspace/{server.workspace_id}"
    limits = httpx2.Limits(max_connections=count)
    headers = {"x-api-key": server.api_key}
    async with httpx2.AsyncClient(
        base_url=base, headers=headers, limits=limits, timeout=60
    ) as client:
        body = {"api": "a", "parameters": {}}
        sent = [
            client.post(path, json=body) if path.endswith("start") else client.get(path)
            for _ in range(count)
        ]
        return list(await asyncio.gather(*sent))


async def test_a_burst_is_refused_with_429_and_what_is_accepted_is_carried_out(
    narrow: RunwrightServer,
) -> None:
    answers = await _burst(narrow, "/projects/p/run/start", 100)

    counts = Counter(answer.status_code for answer in answers)
    assert set(counts) == {200, 429}
    for answer in answers:
        if answer.status_code == 429:
            assert answer.json()["code"] == "rate-limited"
            assert answer.json()["correlationId"] == answer.headers["x-correlation-id"]
            assert int(answer.headers["retry-after"]) >= 1
        else:
            assert narrow.result("p", answer.json()["runId"])["status"] == "completed"
    assert httpx2.get(f"{narrow.url}/readyz", timeout=60).status_code == 200


async def test_requests_that_wait_are_counted_apart(
    narrow: RunwrightServer, tmp_path: Path
) -> None:
    run_id = narrow.start("p", "gated", {"gate": str(tmp_path / "gate")})
    waiting = asyncio.create_task(_burst(narrow, f"/projects/p/run/{run_id}/result?wait=30", 10))

    async def are_refused() -> bool:
        headers = {"x-api-key": narrow.api_key}
        async with httpx2.AsyncClient(timeout=60) as client:
            text = (await client.get(f"{narrow.url}/metrics", headers=headers)).text
        return 'runwright_http_refusals_total{reason="waiting"} 7.0' in text

    await eventually_async(are_refused)
    plain = await asyncio.to_thread(narrow.detail, run_id)
    (tmp_path / "gate").touch()
    answers = await waiting

    assert plain["status"] in ("pending", "started")
    assert Counter(answer.status_code for answer in answers) == {200: 3, 429: 7}


def test_only_a_route_that_waits_is_counted_apart(tmp_path: Path) -> None:
    with serving(tmp_path / "data", RUNWRIGHT_KEY_REQUESTS_IN_FLIGHT="1") as server:
        server.deploy("p", _PROJECT)
        run_id = server.start("p", "a", {})
        assert server.result("p", run_id)["status"] == "completed"
        mount = f"/api/v1/workspace/{server.workspace_id}/projects"

        def status(path: str, **headers: str) -> int:
            sent = {"x-api-key": server.api_key, **headers}
            return httpx2.get(f"{server.url}{mount}{path}", headers=sent, timeout=60).status_code

        with _connect(server) as connection:
            # It is under way as long as its body does not come.
            connection.sendall(
                f"POST {mount}/p/run/start?wait=30 HTTP/1.1\r\nhost: x\r\nx-api-key: {server.api_key}\r\n"
                "content-type: application/json\r\ncontent-length: 1000\r\n\r\n".encode()
            )
            eventually(lambda: status("") == 429)
            refused = [
                status("?wait=30"),
                status("/p/runs?limit=1&wait=30"),
                status("/p/none-such/events"),
                status(f"/p/run/{run_id}/result?wait=0"),
                status("", **{"x-forwarded-prefix": "/api/p/functions"}),
            ]
            answered = [
                status(f"/p/run/{run_id}/result?wait=30"),
                status(f"/p/run/{run_id}/events"),
            ]

    assert refused == [429] * 5
    assert answered == [200] * 2


@pytest.mark.parametrize("path", ["/projects", "/projects/p/run/none-such/result?wait=30"])
async def test_a_key_has_so_many_requests_a_second(tmp_path: Path, path: str) -> None:
    with serving(tmp_path / "data", RUNWRIGHT_KEY_REQUESTS_PER_SECOND="5") as server:
        url = f"{server.url}/api/v1/workspace/{server.workspace_id}/projects"

        def status(key: str) -> int:
            return httpx2.get(url, headers={"x-api-key": key}, timeout=60).status_code

        answers = await _burst(server, path, 30)
        refused = [answer for answer in answers if answer.status_code == 429]

        assert {answer.status_code for answer in answers} in ({200, 429}, {404, 429})
        assert len(answers) - len(refused) >= 5
        assert {int(answer.headers["retry-after"]) for answer in refused} == {1}
        assert status("rw_another") == 401
        eventually(lambda: status(server.api_key) == 200)


def test_a_body_that_trickles_in_is_given_up(narrow: RunwrightServer) -> None:
    path = f"/api/v1/workspace/{narrow.workspace_id}/projects/p/run/start"
    with _connect(narrow) as connection:
        connection.sendall(
            f"POST {path} HTTP/1.1\r\nhost: x\r\nx-api-key: {narrow.api_key}\r\n"
            "content-type: application/json\r\ncontent-length: 1000\r\n\r\n".encode()
        )
        began = time.monotonic()
        connection.settimeout(0.1)
        received = b""
        while not received:
            assert time.monotonic() - began < 120
            try:
                connection.sendall(b" ")
                received += connection.recv(4096)
            except TimeoutError:
                continue
        # What is sent after the answer would be answered with a reset, which takes the answer with it.
        connection.settimeout(60)
        while b"}" not in received:
            received += connection.recv(4096)

    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408")
    assert json.loads(body)["code"] == "request-timeout"
    assert narrow.run("p", "a", {})["status"] == "completed"


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HT", b"GET /healthz HTTP/1.1\r\nhost: x\r\n"])
def test_a_head_that_does_not_come_is_not_waited_for(narrow: RunwrightServer, sent: bytes) -> None:
    with _connect(narrow) as connection:
        connection.sendall(sent)

        assert connection.recv(100) == b""


def test_idle_connections_hold_nobody_up_and_are_closed(narrow: RunwrightServer) -> None:
    began = time.monotonic()
    idle = [_connect(narrow) for _ in range(_IDLE)]
    try:
        assert narrow.run("p", "a", {})["status"] == "completed"
        # Each was closed by its deadline, and not before the last of them was made.
        for connection in idle:
            assert connection.recv(1) == b""
    finally:
        for connection in idle:
            connection.close()
    assert narrow.run("p", "a", {"seconds": time.monotonic() - began})["status"] == "completed"
