"""The final state of an AuthSession's browser, captured once its Attempt has an outcome."""

from __future__ import annotations

import asyncio

from playwright.async_api import Error as PlaywrightError

from runwright import protocol
from runwright.runner.browser import auth_state
from runwright.runner.browser.auth_state import Warn
from runwright.runner.browser.browser import Opened

SECONDS = 5.0
"""How long an outcome may wait for the state."""


async def after(start: protocol.Start, opened: Opened, warn: Warn) -> auth_state.AuthState | None:
    """The state; None when it is unchanged or cannot be captured."""
    before = start.auth_state
    if opened.last_state is not None or before is None:
        return opened.last_state
    try:
        async with asyncio.timeout(SECONDS):
            if not await _is_wanted(start, opened, before):
                return None
            nowhere = auth_state.Visited()
            return await auth_state.capture(opened.context, nowhere, before, is_final=False)
    except (PlaywrightError, TimeoutError) as error:
        if not opened.is_closed_by_author:
            warn(untaken(error))
        return None


def untaken(error: Exception) -> str:
    """The warning that a state could not be captured."""
    return f"the browser's state could not be captured: {type(error).__name__}: {error}"


async def _is_wanted(start: protocol.Start, opened: Opened, before: auth_state.AuthState) -> bool:
    # A check may renew more than cookies, and the Run that follows needs that.
    is_storage_asked = start.kind == "check" and auth_state.has_storage(before)
    return is_storage_asked or await auth_state.is_changed(opened.context, before)
