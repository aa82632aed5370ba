"""The Attempt that the author's code runs in, as seen by the SDK's functions."""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

_SIGNAL_SECONDS = 60.0


class NonRetryableError(Exception):
    """Raise this in an automation to fail the Run without further Attempts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunInfo:
    """Facts about the current Run."""

    run_id: str
    job_id: str | None = None
    job_run_id: str | None = None
    auth_session_id: str | None = None
    dependency_id: str | None = None
    dependency_for: str | None = None
    parent_run_id: str | None = None
    auth_session: dict[str, Any] | None = None
    proxy: str | None = None


@dataclass(kw_only=True, slots=True)
class AttemptContext:
    """What one Attempt accumulates while the author's code runs."""

    info: RunInfo
    extend_timeout: Callable[[], None]
    """Asks the Worker to reset the Attempt's clock."""
    keep_file: Callable[[str, str], None]
    """Passes a file in `files_directory` (path, name) to the Worker."""
    files_directory: str
    ask: Callable[[str, float, bool], Awaitable[str | None]]
    """Asks a person (question, seconds, whether the answer is secret); None: nobody answered in time."""
    payloads: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    attributes: dict[str, Any] = field(default_factory=dict[str, Any])
    store: dict[str, Any] = field(default_factory=dict[str, Any])
    messages: set[str] = field(default_factory=set[str])
    """Keys of messages already recorded."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    last_signal: float | None = None

    def signal_extension(self) -> None:
        """Reset the clock to its full timeout, at most once a minute."""
        with self.lock:
            now = time.monotonic()
            if self.last_signal is not None and now - self.last_signal < _SIGNAL_SECONDS:
                return
            self.last_signal = now
        self.extend_timeout()


_current: ContextVar[AttemptContext] = ContextVar("runwright_attempt")
_inspection: ContextVar[bool] = ContextVar("runwright_inspection", default=False)


def begin_inspection() -> None:
    """Mark this process as one that only imports a project to inspect it and executes nothing."""
    _inspection.set(True)


def is_inspection() -> bool:
    """True during inspection, when values requested at import time need not be usable."""
    return _inspection.get()


def enter(context: AttemptContext) -> None:
    """Make the context current for the calling task and those it starts."""
    _current.set(context)


def current() -> AttemptContext:
    """The Attempt that this code runs in.

    Raises:
        LookupError: the code runs outside an Attempt.
    """
    try:
        return _current.get()
    except LookupError as error:
        message = "this works only inside an automation that Runwright runs"
        raise LookupError(message) from error
