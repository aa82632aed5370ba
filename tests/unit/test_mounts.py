"""Below which path a request is seen, by what the proxy in front says."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import pytest

from runwright.web.server.mounts import Mounted

_LONGEST = "/" + "a" * 199


async def _served(
    path: str, *prefixes: str, kind: str = "http", more: dict[str, str] | None = None
) -> tuple[str, str | None]:
    """Return the path and the mount that the application sees."""
    seen: list[MutableMapping[str, Any]] = []

    async def app(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        seen.append(scope)
        await send(await receive())

    said: list[Any] = []

    async def receive() -> str:
        return "received"

    async def send(message: Any) -> None:
        said.append(message)

    headers = [(name.encode(), value.encode()) for name, value in (more or {}).items()]
    headers += [(b"x-forwarded-prefix", each.encode("latin-1")) for each in prefixes]
    scope = {"type": kind, "path": path, "headers": headers, "other": 1}
    before = dict(scope)
    await Mounted(app)(scope, receive, send)
    assert scope == before, "what the server holds is not changed"
    assert said == ["received"]
    assert seen[0]["other"] == 1
    return seen[0]["path"], seen[0].get("root_path")


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    ("path", "prefix", "seen"),
    [
        ("/runs", "/tools", ("/tools/runs", "/tools")),
        ("/tools/runs", "/tools", ("/tools/runs", "/tools")),
        ("/tools", "/tools", ("/tools", "/tools")),
        ("/toolset", "/tools", ("/tools/toolset", "/tools")),
        ("/runs", "/a-b/c_d/e.f/~g/", ("/a-b/c_d/e.f/~g/runs", "/a-b/c_d/e.f/~g")),
        ("/runs", _LONGEST, (f"{_LONGEST}/runs", _LONGEST)),
    ],
)
async def test_a_prefix_stands_before_every_path_once(
    kind: str, path: str, prefix: str, seen: tuple[str, str]
) -> None:
    assert await _served(path, prefix, kind=kind, more={"host": "h"}) == seen


@pytest.mark.parametrize(
    "prefix",
    ["", "/", "tools", "//evil.example", "/a//b", "/a b", "/a?b", "/\xe9", '/"x', "/a\n", _LONGEST + "a"],
)  # fmt: skip
async def test_what_is_no_prefix_changes_nothing(prefix: str) -> None:
    assert await _served("/runs", prefix) == ("/runs", None)


async def test_the_prefix_is_of_its_own_header_and_the_first_of_several() -> None:
    assert await _served("/runs", more={"x-forwarded-host": "/tools"}) == ("/runs", None)
    assert await _served("/runs", "/a", "/b") == ("/a/runs", "/a")


async def test_a_server_s_own_beginning_has_no_path() -> None:
    assert await _served("/runs", "/tools", kind="lifespan") == ("/runs", None)
