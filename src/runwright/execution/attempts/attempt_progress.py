"""How far an Attempt has come, and why it is being stopped."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from runwright.execution.attempts.clock import Clock

LOOK_SECONDS = 2.0


@dataclass(eq=False, kw_only=True, slots=True)
class AttemptProgress:
    """The state of an Attempt while it runs."""

    author_started_at: datetime | None = None
    clock: Clock = field(default_factory=Clock)
    stop_reason: str | None = None
    """`timeout`, or the interruption, once the author's task has been told to stop."""
    is_killed_for_memory: bool = False
    attributes: dict[str, Any] = field(default_factory=dict[str, Any])
    is_over: bool = False
    look_at: float = field(default_factory=lambda: time.monotonic() + LOOK_SECONDS)
    """When to check memory again, on the monotonic clock."""
    unheard: int | None = None
    """Messages that had arrived by the deadline and are still unprocessed; None before the deadline."""
