"""`deferred_browser`: an automation that asks for its browser when it needs one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

from playwright.async_api import BrowserContext, Page

_Function = TypeVar("_Function", bound=Callable[..., Any])
_MARK = "_runwright_deferred_browser"


class EnsureBrowserFunction(Protocol):
    """Gives the Attempt's context and page, the same at every call."""

    def __call__(self) -> Awaitable[tuple[BrowserContext, Page]]:
        """Return the context and the page."""
        ...


def deferred_browser(function: _Function) -> _Function:
    """Mark an automation that is called as `function(params, ensure_browser=…)`, without a page."""
    setattr(function, _MARK, True)
    return function


def is_deferred(function: Callable[..., Any]) -> bool:
    """Return whether the function is marked."""
    return getattr(function, _MARK, False) is True
