"""Who wants to watch a Run, and what they are allowed to do. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from runwright.domain.ids import RunId


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveRequest:
    """A server's request to the Worker that holds a Run: show it to a viewer."""

    id: str
    """Random, and valid for one connection."""
    run_id: RunId
    server_url: str
    """The URL at which the Worker reaches the server that asks."""
    can_control: bool
    watcher: str
    """A readable name, for the Run's log."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ticket:
    """The right to watch one Run until it expires."""

    run_id: RunId
    can_control: bool
    watcher: str
    expires_at: datetime
