"""Intuned's captcha names. There is no solver here: functions run, events never fire."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any

from playwright.async_api import Page


class CaptchaSolveError(Exception):
    """A captcha could not be solved."""


class Captcha(dict[str, Any]):
    """The captcha that an event is about."""


Handler = Callable[[Captcha], Awaitable[None] | None]


def wait_for_captcha_solve(
    *arguments: Any,
    page: Page | None = None,
    func: Callable[[], Awaitable[Any]] | None = None,
    timeout_s: float = 10.0,
    settle_period: float = 5.0,
) -> Any:
    """Run the given function and return its result; also works as a decorator.

    Without a solver there is nothing to wait for, so both durations are ignored.
    """
    function: Any = next((each for each in (func, *arguments) if callable(each)), None)
    if page is None:
        page = next((each for each in arguments if isinstance(each, Page)), None)
    if page is not None:
        return _run(function)
    if function is not None:
        return _wrapped(function)
    return functools.partial(
        wait_for_captcha_solve, timeout_s=timeout_s, settle_period=settle_period
    )


async def on_captcha_event(page: Page, status: str, handler: Handler) -> None:
    """Accept a handler for every event of a kind; none will fire."""


async def once_captcha_event(page: Page, status: str, handler: Handler) -> None:
    """Accept a handler for the next event of a kind; none will fire."""


async def pause_captcha_solver(page: Page) -> None:
    """Do nothing: there is no solver to pause."""


async def resume_captcha_solver(page: Page) -> None:
    """Do nothing: there is no solver to resume."""


async def _run(function: Callable[..., Awaitable[Any]] | None) -> Any:
    return None if function is None else await function()


def _wrapped(function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(function)
    async def call(*arguments: Any, **named: Any) -> Any:
        return await function(*arguments, **named)

    return call
