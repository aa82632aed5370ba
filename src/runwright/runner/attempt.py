"""One Attempt inside the Runner: call the author's function, and tell how it went."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from playwright.async_api import BrowserContext, Error as PlaywrightError, Route

from runwright import protocol
from runwright.runner import auth_state, hook, leavings, loader, recording, results, schema
from runwright.runner.browser import Opened, start_tracing
from runwright.runner.loader import EntryError
from runwright.runner.recording import NobodySignedIn
from runwright.runner.stage import Stage
from runwright.sdk import context as sdk_context
from runwright.sdk.context import AttemptContext, NonRetryableError, RunInfo
from runwright.sdk.deferred import is_deferred

_STATE_SECONDS = 20
_MAX_ATTRIBUTE_LENGTH = 1000


class _Quit(Exception):
    """The author's code wanted to end the process."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause


class _Unrestorable(Exception):
    """The browser does not take the session's state."""


async def carry_out(stage: Stage, start: protocol.Start, opened: Opened) -> protocol.Ended:
    """Call the author's function and return how it went; never raises what the author raised."""
    context = AttemptContext(
        info=RunInfo(
            run_id=start.run_id,
            job_id=start.job_id,
            job_run_id=start.job_run_id,
            auth_session_id=start.auth_session_id,
            parent_run_id=start.parent_run_id,
            auth_session=None if start.auth_session_id is None else {"id": start.auth_session_id},
            proxy=None if start.proxy is None else start.proxy.server,
        ),
        extend_timeout=lambda: stage.send(protocol.ExtendTimeout()),
        keep_file=lambda path, name: stage.send(protocol.File(kind="file", name=name, path=path)),
        files_directory=stage.setup.files_directory,
        ask=stage.questions.ask,
    )
    try:
        function, parameters = _function(stage, start)
    except EntryError as error:
        stage.send(protocol.Started(at=time.time()))
        return protocol.Ended(failure=_entry_failure(str(error)))
    except BaseException as error:  # noqa: BLE001 - importing is the author's code too
        stage.send(protocol.Started(at=time.time()))
        return protocol.Ended(failure=_raised(error, stage.project.root))
    stage.send(protocol.Started(at=time.time()))
    sdk_context.enter(context)
    call = _Call(stage, start, opened)
    ended = await _carry(stage, lambda: call.author(function, parameters))
    stage.flush_output()
    await leavings.downloads(stage, opened)
    if ended.result is not None:
        ended = await _with_state(start, call, ended)
    return dataclasses.replace(
        ended,
        extended_payloads=tuple(context.payloads) if ended.result is not None else (),
        attributes=dict(context.attributes),
    )


def _function(stage: Stage, start: protocol.Start) -> tuple[Callable[..., Any], Any]:
    """Return what is called, and what with."""
    if start.kind == "record":
        return recording.recorder(start, stage.questions), start.parameters
    function = stage.project.entry(start.api, start.kind)
    return function, None if start.kind == "check" else schema.convert(function, start.parameters)


class _Call:
    """The author's side of one Attempt: the hook, then the function."""

    def __init__(self, stage: Stage, start: protocol.Start, opened: Opened) -> None:
        self._stage = stage
        self._start = start
        self._opened = opened
        self._preparing: asyncio.Task[None] | None = None
        self.visited = auth_state.Visited()

    async def author(self, function: Callable[..., Any], parameters: Any) -> Any:
        try:
            if is_deferred(function):
                return await function(parameters, ensure_browser=self._ensure_browser)
            await self._prepare()
            if self._start.kind == "check":
                return await function(self._opened.page)
            return await function(self._opened.page, parameters)
        except (SystemExit, KeyboardInterrupt) as error:
            # asyncio lets these two end the whole loop.
            raise _Quit(error) from None

    @property
    def context(self) -> BrowserContext:
        """Return the context that the author's code has used."""
        return self._opened.context

    async def _ensure_browser(self) -> tuple[Any, Any]:
        if self._preparing is None:
            self._preparing = asyncio.ensure_future(self._prepare())
        await asyncio.shield(self._preparing)
        return self._opened.context, self._opened.page

    async def _prepare(self) -> None:
        """Let the hook, if there is one, replace context and page; sign in; then trace what is used."""
        stage, start, opened = self._stage, self._start, self._opened
        if hook.exists(stage.project):
            await hook.call(stage.project, opened, start, await stage.chromium.cdp_url())
        if start.auth_state is not None:
            await self._sign_in(start.auth_state)
        if start.save_trace and not opened.is_tracing:
            await start_tracing(opened.context)
            opened.is_tracing = True
        if start.kind != "api":
            self.visited.watch(opened.context)
        if start.replay_har is not None:
            # Asked last to first: the recording, then what tells of what it has not.
            await opened.context.route("**/*", self._refuse)
            await opened.context.route_from_har(start.replay_har, not_found="fallback")

    async def _sign_in(self, state: auth_state.AuthState) -> None:
        opened = self._opened
        try:
            await auth_state.restore(opened, state, self.warn)
        except PlaywrightError as error:
            raise _Unrestorable(str(error)) from error

    def warn(self, text: str) -> None:
        """Tell something in the Attempt's log."""
        self._stage.send(
            protocol.Log(at=time.time(), stream="platform", level="warning", text=text)
        )

    async def _refuse(self, route: Route) -> None:
        self.warn(f"not in the recording: {route.request.method} {route.request.url}")
        await route.abort()


async def _with_state(start: protocol.Start, call: _Call, ended: protocol.Ended) -> protocol.Ended:
    """Add the state that the browser has ended with, where it is wanted and new."""
    context, before = call.context, start.auth_state
    is_create = start.kind in ("create", "record")
    if before is None and not is_create:
        return ended
    try:
        async with asyncio.timeout(_STATE_SECONDS):
            if before is not None and not await _is_wanted(start, context, before):
                return ended
            state = await auth_state.capture(context, call.visited, before, is_final=is_create)
    except (PlaywrightError, TimeoutError) as error:
        text = f"the browser's state could not be taken: {type(error).__name__}: {error}"
        if is_create:
            return protocol.Ended(failure=_unexpected(text))
        call.warn(text)
        return ended
    return dataclasses.replace(ended, auth_state=state)


async def _is_wanted(
    start: protocol.Start, context: BrowserContext, before: auth_state.AuthState
) -> bool:
    # A check may renew what is not a cookie, and the Run that follows must have it.
    is_storage_asked = start.kind == "check" and auth_state.has_storage(before)
    return is_storage_asked or await auth_state.is_changed(context, before)


async def _carry(stage: Stage, author: Callable[[], Awaitable[Any]]) -> protocol.Ended:
    calling = asyncio.ensure_future(author())
    dying = asyncio.ensure_future(stage.chromium.gone.wait())
    try:
        await asyncio.wait({calling, dying}, return_when=asyncio.FIRST_COMPLETED)
        if stage.chromium.gone.is_set() and not _has_result(calling):
            calling.cancel()
            await asyncio.wait({calling}, timeout=1)
            return protocol.Ended(failure=_died(await stage.chromium.dead_part() or "browser"))
        if (dead := await _dead_part(stage, calling)) is not None:
            return protocol.Ended(failure=_died(dead))
        return _ended(stage, calling)
    except asyncio.CancelledError:
        calling.cancel()
        await asyncio.wait({calling})
        if _has_result(calling):
            return _ended(stage, calling)
        return protocol.Ended(was_cancelled=True)
    finally:
        dying.cancel()


def _has_result(calling: asyncio.Future[Any]) -> bool:
    return calling.done() and not calling.cancelled() and calling.exception() is None


def _ended(stage: Stage, calling: asyncio.Future[Any]) -> protocol.Ended:
    try:
        value = calling.result()
        return protocol.Ended(result=results.encode(value, max_bytes=stage.setup.max_result_bytes))
    except results.Unencodable as error:
        return protocol.Ended(failure=error.failure)
    except _Quit as error:
        return protocol.Ended(failure=_raised(error.cause, stage.project.root))
    except EntryError as error:
        return protocol.Ended(failure=_entry_failure(str(error)))
    except BaseException as error:  # noqa: BLE001 - SystemExit and their own CancelledError too
        return protocol.Ended(failure=_raised(error, stage.project.root))


def _entry_failure(message: str) -> protocol.Failed:
    return protocol.Failed(
        code="script-execution-exception", category="user", message=message, retryable=False
    )


def _unexpected(message: str) -> protocol.Failed:
    return protocol.Failed(
        code="script-unexpected-error", category="infrastructure", message=message
    )


async def _dead_part(stage: Stage, calling: asyncio.Future[Any]) -> str | None:
    """Return whether it was the death of browser or driver that the author's code failed of."""
    if calling.cancelled() or not isinstance(calling.exception(), PlaywrightError):
        return None
    return await stage.chromium.dead_part()


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
        return _unexpected(f"The auth session's state could not be put into the browser: {error}")
    attributes = {
        name: str(value)[:_MAX_ATTRIBUTE_LENGTH]
        for name, value in getattr(error, "__dict__", {}).items()
        if not name.startswith("_")
    }
    return protocol.Failed(
        code="script-execution-exception",
        category="execution",
        message=f"{type(error).__name__}: {error}",
        retryable=not isinstance(error, NonRetryableError),
        details={
            "type": type(error).__name__,
            "message": str(error),
            "traceback": loader.author_traceback(error, root),
            "attributes": attributes,
        },
    )
