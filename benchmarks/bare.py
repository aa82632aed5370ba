"""The floor: the same automation in a bare warm Playwright loop, as a person would write it by hand.

One process, one browser, any number of loops in it; each iteration is a new context and page, `goto`,
the text of the `h1`, and a close.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, StorageState, async_playwright

_WINDOW = "--window-size=1280,800"
"""As large as Runwright's: what is painted costs by the pixel."""


@asynccontextmanager
async def launched(executable: str, *, sandbox: bool) -> AsyncGenerator[Browser]:
    """Yield a warm browser."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=executable, chromium_sandbox=sandbox, args=[_WINDOW]
        )
        try:
            yield browser
        finally:
            await browser.close()


async def iterate(browser: Browser, url: str, *, trace: bool) -> float:
    """Carry out one iteration and return its milliseconds."""
    began = time.perf_counter()
    context = await browser.new_context(no_viewport=True)
    if trace:
        await context.tracing.start(screenshots=True, snapshots=True, sources=True)
    page = await context.new_page()
    await page.goto(url)
    await page.inner_text("h1")
    if trace:
        with tempfile.TemporaryDirectory() as directory:
            await context.tracing.stop(path=Path(directory) / "trace.zip")
    await context.close()
    return (time.perf_counter() - began) * 1000


async def signed_in(browser: Browser, url: str, state: StorageState) -> float:
    """Carry out a check and then the iteration, each in a context with the state; return milliseconds."""
    began = time.perf_counter()
    for _ in range(2):
        context = await browser.new_context(no_viewport=True, storage_state=state)
        page = await context.new_page()
        await page.goto(url)
        await page.inner_text("h1")
        state = await context.storage_state()
        await context.close()
    return (time.perf_counter() - began) * 1000


async def throughput(
    browser: Browser, url: str, *, loops: int, seconds: float, trace: bool
) -> float:
    """Return iterations per second of so many loops at once."""
    done = 0
    deadline = time.perf_counter() + seconds

    async def loop() -> None:
        nonlocal done
        while time.perf_counter() < deadline:
            await iterate(browser, url, trace=trace)
            done += 1

    began = time.perf_counter()
    await asyncio.gather(*(loop() for _ in range(loops)))
    return done / (time.perf_counter() - began)
