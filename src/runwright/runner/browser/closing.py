"""Lets the author's code close its context or browser, but only after the Attempt's artifacts are safe."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any

from runwright.runner.browser.browser import Opened

Rescue = Callable[[], Awaitable[None]]


@contextmanager
def watched(opened: Opened, rescue: Rescue) -> Generator[None]:
    """Await `rescue` before the author's code closes the context or its browser.

    Playwright reports a closed context only when nothing can be retrieved from it anymore.
    """
    watched: list[Any] = [opened.context]
    if opened.context.browser is not None:
        watched.append(opened.context.browser)
    for each in watched:
        _watch(each, opened, rescue)
    try:
        yield
    finally:
        for each in watched:
            each.__dict__.pop("close", None)


def _watch(closable: Any, opened: Opened, rescue: Rescue) -> None:
    close = closable.close

    async def close_when_safe(**options: Any) -> None:
        if not opened.is_closed_by_author:
            opened.is_closed_by_author = True
            await rescue()
        await close(**options)

    closable.close = close_when_safe
