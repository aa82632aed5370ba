"""The Platform: settings and open stores, passed to every function in `control`."""

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
    """The open resources of one process; opened and closed by `processes`."""

    settings: Settings
    database: Any
    """An asyncpg pool, which is untyped."""
    pulse: Any
    """A second pool for heartbeats and the queue only, so that load elsewhere never delays them."""
    blobs: Blobs
    signals: Signals
    vault: Vault
    providers: Providers
    queue_lengths: QueueLengths = field(default_factory=QueueLengths)
