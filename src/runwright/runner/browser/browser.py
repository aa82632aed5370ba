"""The Runner's one Chromium, and the context and page that are opened ahead of each Attempt."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import urllib.request
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from playwright.async_api import (
    Browser,
    BrowserContext,
    Error,
    Page,
    Playwright,
    async_playwright,
)

from runwright import process_tree, protocol
from runwright.runner.browser import user_agent
from runwright.runner.browser.downloads import Downloads

Answer = TypeVar("Answer")

_ANSWER_SECONDS = 5.0
_QUIET = (
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-quic",
    "--metrics-recording-only",
)
# The shell also names itself among the brands of its client hints; with this override it sends none.
_NO_BRANDS = "--enable-features=UACHOverrideBlank"
_DRIVER = Path(__file__).with_name("driver.cjs")


@dataclass(eq=False, kw_only=True, slots=True)
class Opened:
    """A context and page of ours, used for one Attempt."""

    context: BrowserContext
    page: Page
    is_tracing: bool
    downloads: Downloads = field(default_factory=Downloads)
    har: str | None = None
    """Path of the network recording, written once the context is closed."""
    holds_state: bool = False
    """The context was created with the AuthSession's state."""
    is_browsers_own: bool = False
    """The context is the browser's default one, the first that a CDP client finds."""
    has_crashed: bool = False
    """The page's renderer has died."""
    is_closed_by_author: bool = False
    """The author's code has closed the context or the browser."""
    last_state: dict[str, Any] | None = None
    """The browser's state when the author's code closed it, where it is needed."""
    cleanup: Callable[[], Awaitable[None]] | None = None
    """The hook's cleanup, awaited at the end."""

    def adopt(self, context: BrowserContext) -> None:
        """Replace our context with another one, and follow its downloads instead."""
        self.downloads.leave(self.context)
        self.context = context
        self.is_tracing = False
        self.holds_state = False
        self.har = None
        self.downloads.hear(context)


class Chromium:
    """A launched Chromium and the Playwright driver that drives it."""

    def __init__(self, settings: protocol.Browser, *, with_cdp: bool = False) -> None:
        self._settings = settings
        self._cdp_port = _free_port() if with_cdp else None
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None
        self._user_agent: str | None = None
        self.gone = asyncio.Event()
        """Set when the browser or its driver has died."""

    @property
    def version(self) -> str:
        """The browser's version; empty before launch."""
        return "" if self._browser is None else self._browser.version

    async def launch(self) -> None:
        """Start the driver and the browser."""
        settings = self._settings
        with _driver_options():
            self._playwright = await async_playwright().start()
        agent = settings.user_agent or user_agent.among(settings.arguments)
        if agent is None and settings.headless:
            program = settings.executable or self._playwright.chromium.executable_path
            agent = await user_agent.of_program(program)
        browser = await self._start(agent)
        if agent is None and settings.headless:
            # The program does not print its version, so ask the running browser.
            agent = user_agent.of_version(browser.version)
            await browser.close()
            browser = await self._start(agent)
        browser.on("disconnected", lambda _browser: self.gone.set())
        self._browser = browser
        # Playwright derives a platform from it for client hints: right for a user agent that was chosen, and
        # all that the shell has. Full Chromium knows its own platform.
        self._user_agent = agent if settings.is_shell else settings.user_agent

    async def _start(self, agent: str | None) -> Browser:
        assert self._playwright is not None
        settings = self._settings
        arguments = [
            *_QUIET,
            f"--window-size={settings.window_width},{settings.window_height}",
            *settings.arguments,
        ]
        if agent is not None:
            # Applies to every context and worker, whoever creates it.
            arguments.append(user_agent.switch(agent))
        if settings.ignore_https_errors:
            # Contexts that the author's code or hook opens belong to this browser too.
            arguments.append("--ignore-certificate-errors")
        if self._cdp_port is not None:
            arguments.append(f"--remote-debugging-port={self._cdp_port}")
        if settings.is_shell:
            arguments.append(_NO_BRANDS)
        elif settings.headless:
            arguments.append("--headless=new")
        options: dict[str, Any] = {
            "headless": settings.headless,
            "args": arguments,
            "chromium_sandbox": settings.sandbox,
        }
        if settings.executable is not None:
            options["executable_path"] = settings.executable
        if not settings.is_shell:
            options["ignore_default_args"] = ["--headless", "--headless=old"]
        return await self._playwright.chromium.launch(**options)

    async def open(
        self,
        *,
        proxy: protocol.Proxy | None,
        trace: bool,
        har: str | None = None,
        state: dict[str, Any] | None = None,
    ) -> Opened:
        """Open a fresh context and page, through the proxy if given.

        With a hook it is the browser's default context, so that a CDP client finds the page and is signed
        in; not with a proxy, a recording or a state, which only a new context accepts. `har` is the path of
        the network recording, written when the context closes; `state` is a Playwright storage state.
        """
        assert self._browser is not None
        is_own = self._cdp_port is not None and proxy is None and har is None and state is None
        options: dict[str, Any] = {"no_viewport": True, "accept_downloads": True}
        if self._user_agent is not None:
            options["user_agent"] = self._user_agent
        if self._settings.ignore_https_errors:
            options["ignore_https_errors"] = True
        if proxy is not None:
            options["proxy"] = {
                key: value
                for key, value in (
                    ("server", proxy.server),
                    ("username", proxy.username),
                    ("password", proxy.password),
                    # Without this Chromium goes to loopback directly, proxy or not.
                    ("bypass", "<-loopback>"),
                )
                if value is not None
            }
        if har is not None:
            options |= {"record_har_path": har, "record_har_content": "attach"}
        if state is not None:
            options["storage_state"] = state
        context = await (self._own_context() if is_own else self._browser.new_context(**options))
        downloads = Downloads()
        downloads.hear(context)
        if trace:
            await start_tracing(context)
        page = await context.new_page()
        opened = Opened(
            context=context,
            page=page,
            is_tracing=trace,
            downloads=downloads,
            har=har,
            holds_state=state is not None,
            is_browsers_own=is_own,
        )
        page.on("crash", lambda _page: setattr(opened, "has_crashed", True))
        return opened

    async def _own_context(self) -> BrowserContext:
        assert self._playwright is not None
        browser = await self._playwright.chromium.connect_over_cdp(await self.cdp_url())
        return browser.contexts[0]

    async def cdp_url(self) -> str:
        """The address of the browser's DevTools protocol for a hook: `ws://…` on loopback."""
        address = f"http://127.0.0.1:{self._cdp_port}/json/version"
        # A proxy in the project's variables is meant for the sites it visits.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

        def ask() -> str:
            with opener.open(address, timeout=_ANSWER_SECONDS) as answer:
                return str(json.loads(answer.read())["webSocketDebuggerUrl"])

        return await asyncio.to_thread(ask)

    async def dead_part(self) -> str | None:
        """`browser` or `driver`, whichever has died; None when both answer."""
        assert self._browser is not None
        if not self.gone.is_set():
            try:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    session = await undisturbed(self._browser.new_browser_cdp_session)
                    await session.detach()
            except (Error, TimeoutError):
                self.gone.set()
            else:
                return None
        # When its driver dies, Playwright reports the browser as disconnected too.
        return "browser" if _has_driver() else "driver"


@contextmanager
def _driver_options() -> Generator[None]:
    """Make our Playwright driver load `driver.cjs`; drivers that the author starts do not."""
    before = os.environ.get("NODE_OPTIONS")
    ours = f"--require {json.dumps(str(_DRIVER), ensure_ascii=False)}"
    os.environ["NODE_OPTIONS"] = ours if before is None else f"{before} {ours}"
    try:
        yield
    finally:
        if before is None:
            del os.environ["NODE_OPTIONS"]
        else:
            os.environ["NODE_OPTIONS"] = before


def _free_port() -> int:
    with socket.socket() as asking:
        asking.bind(("127.0.0.1", 0))
        return asking.getsockname()[1]


def _has_driver() -> bool:
    for child in process_tree.children(os.getpid()):
        try:
            with open(f"/proc/{child}/cmdline", "rb") as file:
                # Empty for a zombie.
                if b"run-driver" in file.read():
                    return True
        except OSError:
            continue
    return False


async def undisturbed(call: Callable[[], Awaitable[Answer]]) -> Answer:
    """Await a Playwright call of ours, and retry it once if it fails.

    Playwright re-raises an error from one of the author's handlers at the next call, whoever makes it.
    """
    try:
        return await call()
    except Exception:  # noqa: BLE001 - an author's error can be of any type
        return await call()


async def drain(context: BrowserContext) -> None:
    """Consume an error from one of the author's handlers before it surfaces in a call of ours that must not fail."""
    if context.browser is None:
        return
    with suppress(Exception):
        async with asyncio.timeout(_ANSWER_SECONDS):
            # Unlike a call on the context, this does not appear in the trace.
            session = await undisturbed(context.browser.new_browser_cdp_session)
            await session.detach()


async def start_tracing(context: BrowserContext) -> None:
    """Start recording for the trace viewer: screenshots, snapshots, sources."""
    await context.tracing.start(screenshots=True, snapshots=True, sources=True)
