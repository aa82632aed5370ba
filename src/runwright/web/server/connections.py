"""Connections that ask for nothing, or too slowly, or are too many: closed, so that they hold nothing up."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from runwright.config import Settings
from runwright.errors import ConfigError
from runwright.web.server.bodies import SLOWEST_BYTES_A_SECOND

_KEPT_FILES = 512
"""File descriptors that are left for the database, Runners and files."""
_LEAST_FILES = 1024


class Patient(HttpToolsProtocol):
    """uvicorn's protocol, with a deadline for a request's head and a bound on connections."""

    head_seconds = 20.0
    """From a connection's beginning, or a request's, to the end of the head."""
    most = sys.maxsize
    """Connections that are held."""
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin, unless there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.most:
            transport.abort()
            return
        self._await_head()

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._await_head()

    def on_headers_complete(self) -> None:
        """Begin to answer."""
        self._forget_head()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Take what came; after an answer it may be blank lines, or more of a body that nobody reads."""
        super().data_received(data)
        is_answered = bool(self.cycle) and self.cycle.response_complete
        if not is_answered or self not in self.connections:
            return
        if self._deadline is None:
            self._await_head()
        else:
            self._close_at(self._deadline.when() + len(data) / SLOWEST_BYTES_A_SECOND)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
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
    """Return the protocol with the settings' deadline and bound; uvicorn makes one of each connection.

    Raises:
        ConfigError: this process may open too few files.
    """
    files = raise_file_limit()
    if files < _LEAST_FILES:
        raise ConfigError(
            f"This process may open {files} files, and needs {_LEAST_FILES}: raise the limit, for example with "
            "`ulimit -n 65536`, or `LimitNOFILE=` of the service."
        )
    most = min(settings.max_connections, files - _KEPT_FILES)
    seconds = settings.header_timeout.total_seconds()
    return type("Patient", (Patient,), {"head_seconds": seconds, "most": most})


def raise_file_limit() -> int:
    """Let this process open as many files as it may; return how many that is."""
    if sys.platform == "win32":
        return 8192
    import resource  # noqa: PLC0415 - there is none on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft
