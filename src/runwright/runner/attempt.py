"""One Attempt inside the Runner: call the author's function and report the outcome."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from playwright.async_api import Error as PlaywrightError, Route

from runwright import protocol
from runwright.runner import artifacts, hook, recording, results
from runwright.runner.browser import auth_state, author_tracing, closing, states
from runwright.runner.browser.browser import Opened, drain, start_tracing
from runwright.runner.project import loader
from runwright.runner.project.loader import EntryError
from runwright.runner.recording import NobodySignedIn
from runwright.runner.runner_context import RunnerContext
from runwright.sdk import context as sdk_context
from runwright.sdk.context import AttemptContext, NonRetryableError, RunInfo
from runwright.sdk.deferred import is_deferred

_STATE_SECONDS = 20
_RESCUE_SECONDS = 2.0
_DYING_SECONDS = 1.0
_MAX_ATTRIBUTE_LENGTH = 1000
_MAX_MESSAGE_LENGTH = 20_000
_MAX_TRACEBACK_LENGTH = 100_000


class _Quit(Exception):
    """The author's code tried to end the process."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause


class _Unrestorable(Exception):
    """The browser rejects the AuthSession's state."""


async def run(runner: RunnerContext, start: protocol.Start, opened: Opened) -> protocol.Ended:
    """Call the author's function and return the outcome; never raises what the author raised."""
    context = AttemptContext(
        info=RunInfo(
            run_id=start.run_id,
            job_id=start.job_id,
            job_run_id=start.job_run_id,
            auth_session_id=start.auth_session_id,
            parent_run_id=start.parent_run_id,
            auth_session=None if start.auth_session_id is None else {"id": start.auth_session_id},
            proxy=None if start.proxy is None else start.proxy.stands_for or start.proxy.server,
        ),
        extend_timeout=lambda: runner.send(protocol.ExtendTimeout()),
        keep_file=lambda path, name: runner.send(protocol.File(kind="file", name=name, path=path)),
        files_directory=runner.setup.files_directory,
        ask=runner.questions.ask,
    )
    try:
        function, parameters = _function(runner, start)
    except EntryError as error:
        runner.send(protocol.Started(at=time.time()))
        return protocol.Ended(failure=_entry_failure(str(error)))
    except BaseException as error:  # noqa: BLE001 - importing is the author's code too
        runner.send(protocol.Started(at=time.time()))
        return protocol.Ended(failure=_raised(error, runner.project.root))
    runner.send(protocol.Started(at=time.time()))
    sdk_context.enter(context)
    opened.downloads.start(runner.setup.files_directory, runner.send)
    call = _Call(runner, start, opened)
    ended = await _call_author(runner, opened, lambda: call.author(function, parameters))
    runner.flush_output()
    if ended.result is None:
        return dataclasses.replace(ended, attributes=dict(context.attributes))
    if call.makes_state:
        ended = await call.with_state(ended)
    return dataclasses.replace(
        ended,
        extended_payloads=tuple(context.payloads),
        attributes=dict(context.attributes),
        is_state_to_come=start.auth_state is not None and not call.makes_state,
    )


def _function(runner: RunnerContext, start: protocol.Start) -> tuple[Callable[..., Any], Any]:
    """The function to call, and its argument."""
    if start.kind == "record":
        return recording.recorder(start, runner.questions), start.parameters
    function = runner.project.entry(start.api, start.kind)
    if start.kind == "check":
        return function, None
    return function, runner.project.given(function, start.parameters)


class _Call:
    """The author's side of one Attempt: the hook, then the function."""

    def __init__(self, runner: RunnerContext, start: protocol.Start, opened: Opened) -> None:
        self._runner = runner
        self._start = start
        self._opened = opened
        self._preparing: asyncio.Task[None] | None = None
        self._visited = auth_state.Visited()
        self._stack = contextlib.ExitStack()

    async def author(self, function: Callable[..., Any], parameters: Any) -> Any:
        with contextlib.ExitStack() as self._stack:
            try:
                if is_deferred(function):
                    return await function(parameters, ensure_browser=self._ensure_browser)
                await self._prepare()
                if self._start.kind == "check" or not loader.takes_parameters(function):
                    return await function(self._opened.page)
                return await function(self._opened.page, parameters)
            except (SystemExit, KeyboardInterrupt) as error:
                # asyncio lets these two end the whole loop.
                raise _Quit(error) from None

    @property
    def makes_state(self) -> bool:
        """True when the purpose of this Attempt is the browser's final state."""
        return self._start.kind in ("create", "record")

    async def with_state(self, ended: protocol.Ended) -> protocol.Ended:
        """Add the captured state; the Attempt fails without it."""
        try:
            async with asyncio.timeout(_STATE_SECONDS):
                state = self._opened.last_state or await self._capture()
        except (PlaywrightError, TimeoutError) as error:
            return protocol.Ended(failure=_unexpected(states.untaken(error)))
        return dataclasses.replace(ended, auth_state=state)

    async def _capture(self) -> auth_state.AuthState:
        before = self._start.auth_state
        await drain(self._opened.context)
        return await auth_state.capture(self._opened.context, self._visited, before, is_final=True)

    async def _rescue(self) -> None:
        """Save what belongs to the Attempt from a context that the author's code is about to close."""
        await drain(self._opened.context)
        if self.makes_state:
            with contextlib.suppress(PlaywrightError, TimeoutError):
                async with asyncio.timeout(_STATE_SECONDS):
                    self._opened.last_state = await self._capture()
        elif self._start.auth_state is not None:
            self._opened.last_state = await states.after(self._start, self._opened, self.warn)
        await self._opened.downloads.settle(_RESCUE_SECONDS)
        await artifacts.trace(self._runner, self._start, self._opened, self._opened.last_state)

    async def _ensure_browser(self) -> tuple[Any, Any]:
        if self._preparing is None:
            self._preparing = asyncio.ensure_future(self._prepare())
        await asyncio.shield(self._preparing)
        return self._opened.context, self._opened.page

    async def _prepare(self) -> None:
        """Let the hook, if any, replace context and page; sign in; then trace the context in use."""
        runner, start, opened = self._runner, self._start, self._opened
        if hook.exists(runner.project):
            await hook.call(runner.project, opened, start, await runner.chromium.cdp_url())
        if start.auth_state is not None:
            await self._sign_in(start.auth_state)
        if start.save_trace and not opened.is_tracing:
            await start_tracing(opened.context)
            opened.is_tracing = True
        if self.makes_state:
            self._visited.watch(opened.context)
        self._stack.enter_context(closing.watched(opened, self._rescue))
        self._stack.enter_context(author_tracing.giving_way(opened, self.warn))
        if start.replay_har is not None:
            # Routes run last to first: the recording, then the one that reports what is missing from it.
            await opened.context.route("**/*", self._refuse)
            await opened.context.route_from_har(start.replay_har, not_found="fallback")

    async def _sign_in(self, state: auth_state.AuthState) -> None:
        opened = self._opened
        try:
            await auth_state.restore(opened, state, self.warn)
        except PlaywrightError as error:
            raise _Unrestorable(str(error)) from error

    def warn(self, text: str) -> None:
        """Write a warning to the Attempt's log."""
        self._runner.send(
            protocol.Log(at=time.time(), stream="platform", level="warning", text=text)
        )

    async def _refuse(self, route: Route) -> None:
        self.warn(f"not in the recording: {route.request.method} {route.request.url}")
        await route.abort()


async def _call_author(
    runner: RunnerContext, opened: Opened, author: Callable[[], Awaitable[Any]]
) -> protocol.Ended:
    calling = asyncio.ensure_future(author())
    dying = asyncio.ensure_future(runner.chromium.gone.wait())
    try:
        await asyncio.wait({calling, dying}, return_when=asyncio.FIRST_COMPLETED)
        # By now a call to the dead browser has failed, unless the code does not need the browser.
        patience = None if opened.is_closed_by_author else _DYING_SECONDS
        await asyncio.wait({calling}, timeout=patience)
        if not calling.done():
            calling.cancel()
            await asyncio.wait({calling}, timeout=_DYING_SECONDS)
            return protocol.Ended(failure=_died(await runner.chromium.dead_part() or "browser"))
        if (dead := await _dead_part(runner, opened, calling)) is not None:
            return protocol.Ended(failure=_died(dead))
        return _ended(runner, calling)
    except asyncio.CancelledError:
        calling.cancel()
        await asyncio.wait({calling})
        if _has_result(calling):
            return dataclasses.replace(_ended(runner, calling), was_cancelled=True)
        return protocol.Ended(was_cancelled=True)
    finally:
        dying.cancel()


def _has_result(calling: asyncio.Future[Any]) -> bool:
    return calling.done() and not calling.cancelled() and calling.exception() is None


def _ended(runner: RunnerContext, calling: asyncio.Future[Any]) -> protocol.Ended:
    try:
        value = calling.result()
        return protocol.Ended(result=results.encode(value, max_bytes=runner.setup.max_result_bytes))
    except results.Unencodable as error:
        return protocol.Ended(failure=error.failure)
    except _Quit as error:
        return protocol.Ended(failure=_raised(error.cause, runner.project.root))
    except EntryError as error:
        return protocol.Ended(failure=_entry_failure(str(error)))
    except BaseException as error:  # noqa: BLE001 - SystemExit and their own CancelledError too
        return protocol.Ended(failure=_raised(error, runner.project.root))


def unopened(error: PlaywrightError) -> protocol.Failed:
    """The failure of an Attempt whose proxy the browser rejects."""
    message = f"The browser could not be opened with this proxy: {error}"
    return protocol.Failed(
        code="script-execution-exception", category="user", message=message, retryable=False
    )


def _entry_failure(message: str) -> protocol.Failed:
    return protocol.Failed(
        code="script-execution-exception", category="user", message=message, retryable=False
    )


def _unexpected(message: str) -> protocol.Failed:
    return protocol.Failed(
        code="script-unexpected-error", category="infrastructure", message=message
    )


async def _dead_part(
    runner: RunnerContext, opened: Opened, calling: asyncio.Future[Any]
) -> str | None:
    """The dead part, browser or driver, if its death is why the author's code failed."""
    if opened.is_closed_by_author:
        return None
    if calling.cancelled() or not isinstance(calling.exception(), PlaywrightError):
        return None
    return await runner.chromium.dead_part()


def _died(part: str) -> protocol.Failed:
    return protocol.Failed(
        code="script-process-crashed",
        category="execution",
        message=f"The {part} died while the automation was using it.",
        details={"crashed": part},
    )


def _raised(error: BaseException, root: Path) -> protocol.Failed:
    if isinstance(error, NobodySignedIn):
        return protocol.Failed(
            code="script-timeout", category="user", message=f"{error}.", retryable=False
        )
    if isinstance(error, _Unrestorable):
        return _unexpected(
            f"The auth session's state could not be restored in the browser: {error}"
        )
    kind, message = type(error).__name__, _cut(_text(error), _MAX_MESSAGE_LENGTH)
    return protocol.Failed(
        code="script-execution-exception",
        category="execution",
        message=f"{kind}: {message}" if message else kind,
        retryable=not isinstance(error, NonRetryableError),
        details={
            "type": kind,
            "message": message,
            "traceback": _cut(loader.author_traceback(error, root), _MAX_TRACEBACK_LENGTH),
            "attributes": _attributes(error),
        },
    )


def _attributes(error: BaseException) -> dict[str, str]:
    try:
        held = dict(vars(error))
    except Exception:  # noqa: BLE001 - its class may override attribute access in any way
        return {}
    return {
        str(name): _cut(_text(value), _MAX_ATTRIBUTE_LENGTH)
        for name, value in held.items()
        if not str(name).startswith("_")
    }


def _text(value: object) -> str:
    """A value as text, even when its class raises."""
    try:
        return str(value)
    except BaseException as error:  # noqa: BLE001 - it is the author's
        return f"<{type(value).__name__}: str() raised {type(error).__name__}>"


def _cut(text: str, length: int) -> str:
    """Text with the middle left out where it exceeds the length."""
    if len(text) <= length:
        return text
    left_out = len(text) - length
    half = length // 2
    return f"{text[:half]}… ({left_out} characters left out) …{text[-half:]}"
