"""Who wants to watch a Run, and what they may. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from runwright.domain.ids import RunId


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveRequest:
    """What a server asks of the Worker that holds a Run: show it to somebody."""

    id: str
    """Random, and good for one connection."""
    run_id: RunId
    server_url: str
    """Where the Worker reaches the very server that asks."""
    can_control: bool
    watcher: str
    """As a person would call them, for the Run's log."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ticket:
    """The right to watch one Run until a moment."""

    run_id: RunId
    can_control: bool
    watcher: str
    expires_at: datetime
