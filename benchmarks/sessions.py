"""What an auth session adds to a Run, beside a bare script that makes the same check first."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from typing import Any

import bare
import served
from playwright.async_api import Browser, StorageState
from rich.table import Table

_FILES = {
    "pyproject.toml": "[tool.runwright.auth_sessions]\nenabled = true\n",
    "auth-sessions/check.py": (
        "async def check(page):\n"
        "    await page.goto({url!r})\n"
        "    return await page.inner_text('h1') == 'Hello'\n"
    ),
}
_SPACING_SECONDS = 0.4


async def measure(server: served.Server, browser: Browser, url: str, *, rounds: int) -> Table:
    """Return the table: with a session and without, bare and served, alternating."""
    files = {name: text.format(url=url) for name, text in _FILES.items()}
    await served.deploy(server, "signed", **files)
    state: StorageState = {
        "cookies": [
            {
                "name": "sid",
                "value": "a-cookie-of-some-length",
                "domain": "127.0.0.1",
                "path": "/",
                "expires": -1,
                "httpOnly": True,
                "secure": False,
                "sameSite": "Lax",
            }
        ],
        "origins": [],
    }
    times: dict[str, list[float]] = {
        name: []
        for name in (
            "bare iteration",
            "bare check + iteration",
            "Run",
            "Run with a session, checked",
            "Run with a session, checked lately",
        )
    }
    async with server.client() as client:
        body = {"id": "s", "storageState": state}
        answer = await client.post("/projects/signed/auth-sessions", json=body)
        answer.raise_for_status()
        for number in range(rounds + 5):
            found = (
                await bare.iterate(browser, url, trace=False),
                await bare.signed_in(browser, url, state),
                await _timed(client, url),
                await _timed(client, url, project="signed", authSession={"id": "s"}),
                await _timed(
                    client, url, project="signed", authSession={"id": "s", "checkEvery": 3600}
                ),
            )
            if number >= 5:  # noqa: PLR2004 - the first ones warm up
                for values, milliseconds in zip(times.values(), found, strict=True):
                    values.append(milliseconds)
    return _table(times, rounds)


async def _timed(client: Any, url: str, **more: Any) -> float:
    await asyncio.sleep(_SPACING_SECONDS)
    began = time.perf_counter()
    await served.run(client, url, trace=False, **more)
    return (time.perf_counter() - began) * 1000


def _table(times: dict[str, list[float]], rounds: int) -> Table:
    shown = Table(
        "ms", "p50", "p90", "added at p50", title=f"what a session adds, {rounds} each, spaced"
    )
    middle = {name: statistics.median(values) for name, values in times.items()}
    for name, values in times.items():
        base = middle["bare iteration" if name.startswith("bare") else "Run"]
        added = middle[name] - base
        shown.add_row(
            name,
            f"{middle[name]:.1f}",
            f"{_at(values, 90):.1f}",
            f"{added:.1f}" if added else "",
        )
    return shown


def _at(values: Sequence[float], share: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) * share // 100, len(ordered) - 1)]
