"""Closes connections that send nothing, send too slowly, or exceed the limit, so that they hold no resources."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from runwright.config import Settings
from runwright.errors import ConfigError
from runwright.web.server.bodies import SLOWEST_BYTES_A_SECOND

_KEPT_FILES = 512
"""File descriptors reserved for the database, Runners and files."""
_LEAST_FILES = 1024


class Patient(HttpToolsProtocol):
    """uvicorn's protocol with a deadline for the request head and a limit on connections."""

    head_seconds = 20.0
    """From the start of a connection or a request to the end of the head."""
    most = sys.maxsize
    """The most connections held at once."""
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Accept the connection, unless there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.most:
            transport.abort()
            return
        self._await_head()

    def on_message_begin(self) -> None:
        """Start the head deadline of a request."""
        super().on_message_begin()
        self._await_head()

    def on_headers_complete(self) -> None:
        """Stop the head deadline."""
        self._forget_head()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Receive data; after a response it may be blank lines, or more of a body that is never read."""
        super().data_received(data)
        is_answered = bool(self.cycle) and self.cycle.response_complete
        if not is_answered or self not in self.connections:
            return
        if self._deadline is None:
            self._await_head()
        else:
            self._close_at(self._deadline.when() + len(data) / SLOWEST_BYTES_A_SECOND)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the deadline."""
        self._forget_head()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        self._close_at(self.loop.time() + self.head_seconds)

    def _close_at(self, when: float) -> None:
        self._forget_head()
        self._deadline = self.loop.call_at(when, self.transport.close)

    def _forget_head(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def protocol(settings: Settings) -> type[Patient]:
    """The protocol class with the settings' deadline and limit; uvicorn instantiates it per connection.

    Raises:
        ConfigError: this process's limit on open files is too low.
    """
    files = raise_file_limit()
    if files < _LEAST_FILES:
        raise ConfigError(
            f"This process may open {files} files but needs {_LEAST_FILES}: raise the limit, for example with "
            "`ulimit -n 65536`, or `LimitNOFILE=` in the service unit."
        )
    most = min(settings.max_connections, files - _KEPT_FILES)
    seconds = settings.header_timeout.total_seconds()
    return type("Patient", (Patient,), {"head_seconds": seconds, "most": most})


def raise_file_limit() -> int:
    """Raise this process's limit on open files to the maximum; return that limit."""
    if sys.platform == "win32":
        return 8192
    import resource  # noqa: PLC0415 - missing on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft
