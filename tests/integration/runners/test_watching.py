"""A person's connection to a Run: it lasts as long as allowed, and is reopened for those still signed in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx2
import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from runwright.control.access import keys
from runwright.control.base.platform import Platform
from runwright.control.runs import runs
from runwright.domain.runs import RunRequest
from runwright.web import app
from runwright.web.dashboard.run import live_view

_EXPIRED, _NOT_SIGNED_IN = 4408, 4401


@asynccontextmanager
async def _answering(platform: Platform) -> AsyncGenerator[str]:
    """Answer HTTP in this process until the block ends; yield the address."""
    config = uvicorn.Config(app.create(platform), port=0, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    listening = config.bind_socket()
    answering = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await answering


async def test_a_persons_socket_ends_after_ten_minutes_and_who_is_signed_out_gets_no_other(
    platform: Platform, make_project: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert timedelta(minutes=10) == live_view._WELCOME
    monkeypatch.setattr(live_view, "_WELCOME", timedelta(seconds=1))
    project = await make_project()
    request = RunRequest(api="a", parameters={})
    run = await runs.start(platform, project, request, idempotency_key=None, request_text="")
    _, secret = await keys.ensure_first(platform, None)
    async with _answering(platform) as url, httpx2.AsyncClient(base_url=url, timeout=60) as person:
        await person.post("/sign-in", data={"key": secret})
        headers = {"cookie": _cookie(person), "origin": url}
        address = f"ws{url.removeprefix('http')}/projects/{project.name}/runs/{run.id}/live/socket"

        first = await _closed(address, headers)
        second = await _closed(address, headers)
        left = await person.post("/sign-out", headers={"origin": url})
        third = await _closed(address, headers)

    assert left.status_code == 303
    assert (first, second, third) == (_EXPIRED, _EXPIRED, _NOT_SIGNED_IN)


def _cookie(person: httpx2.AsyncClient) -> str:
    return "; ".join(f"{name}={value}" for name, value in person.cookies.items())


async def _closed(address: str, headers: dict[str, str]) -> int | None:
    """Watch until the server closes the connection; return its code."""
    async with (
        asyncio.timeout(60),
        connect(address, additional_headers=headers, proxy=None) as socket,
    ):
        return await _code(socket)


async def _code(socket: ClientConnection) -> int | None:
    try:
        while True:
            await socket.recv()
    except ConnectionClosed as error:
        return None if error.rcvd is None else error.rcvd.code
