"""`deferred_browser`: an automation that opens its browser on demand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

from playwright.async_api import BrowserContext, Page

_Function = TypeVar("_Function", bound=Callable[..., Any])
_MARK = "_runwright_deferred_browser"


class EnsureBrowserFunction(Protocol):
    """Returns the Attempt's context and page, the same ones on every call."""

    def __call__(self) -> Awaitable[tuple[BrowserContext, Page]]:
        """Open the browser on the first call; return its context and page."""
        ...


def deferred_browser(function: _Function) -> _Function:
    """Mark an automation to be called as `function(params, ensure_browser=…)`, without a page."""
    setattr(function, _MARK, True)
    return function


def is_deferred(function: Callable[..., Any]) -> bool:
    """True when the function is marked."""
    return getattr(function, _MARK, False) is True
