"""What every command and question is handed: the settings and the open stores."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from runwright.adapters.blobs.blobs import Blobs
from runwright.adapters.providers.providers import Providers
from runwright.adapters.signals import Signals
from runwright.adapters.vault import Vault
from runwright.config import Settings
from runwright.control.base.queue_lengths import QueueLengths


@dataclass(frozen=True, kw_only=True, slots=True)
class Platform:
    """The open resources of one process; made and closed by `processes`."""

    settings: Settings
    database: Any
    """An asyncpg pool, which brings no types."""
    pulse: Any
    """Another, for heartbeats and the queue alone: what piles up elsewhere keeps no Worker from being heard."""
    blobs: Blobs
    signals: Signals
    vault: Vault
    providers: Providers
    queue_lengths: QueueLengths = field(default_factory=QueueLengths)
