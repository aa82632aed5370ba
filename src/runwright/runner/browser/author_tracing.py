"""A context allows one trace at a time: when the author's code starts its own, ours is dropped."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from playwright.async_api import Error

from runwright.runner.browser.browser import Opened


@contextmanager
def giving_way(opened: Opened, warn: Callable[[str], None]) -> Generator[None]:
    """Let the author's code trace the context as if nothing else did, until the block ends."""
    tracing: Any = opened.context.tracing
    begin, end = tracing.start, tracing.stop

    async def start(*arguments: Any, **options: Any) -> None:
        if opened.is_tracing:
            opened.is_tracing = False
            await end()
            warn("the automation records its own trace, so this run has none here")
        await begin(*arguments, **options)

    async def stop(*arguments: Any, **options: Any) -> None:
        if opened.is_tracing:
            raise Error("Tracing.stop: Must start tracing before stopping")
        await end(*arguments, **options)

    tracing.start, tracing.stop = start, stop
    try:
        yield
    finally:
        for name in ("start", "stop"):
            tracing.__dict__.pop(name, None)
