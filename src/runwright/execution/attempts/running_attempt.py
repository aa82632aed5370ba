"""A claimed Attempt that a Worker executes, and what may interrupt it."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from runwright.control.runs.claims import Claim
from runwright.execution.attempts.screen import Screen


class Interruption(StrEnum):
    """Why the Worker stops an unfinished Attempt."""

    CANCELED = "canceled"
    LOST = "lost"
    DRAINING = "draining"


@dataclass(eq=False, kw_only=True, slots=True)
class RunningAttempt:
    """A claimed Attempt that this Worker executes; it can be interrupted at any time."""

    claim: Claim
    interruption: Interruption | None = None
    interrupted: asyncio.Event = field(default_factory=asyncio.Event)
    screen: Screen = field(default_factory=Screen)
    """Shared with its parts."""
    parts: list[RunningAttempt] = field(default_factory=list["RunningAttempt"])
    """The check or create currently running for it."""

    def interrupt(self, interruption: Interruption) -> None:
        """Stop the Attempt and its parts; only the first reason counts."""
        if self.interruption is None:
            self.interruption = interruption
            self.interrupted.set()
            for part in self.parts:
                part.interrupt(interruption)

    async def pause(self, delay: timedelta) -> None:
        """Wait for the delay or an interruption, whichever comes first."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.interrupted.wait(), delay.total_seconds())
