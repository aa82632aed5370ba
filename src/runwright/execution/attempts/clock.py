"""An Attempt's clock: counts down to the deadline, and stops while a person is asked."""

from __future__ import annotations

import asyncio
import math


class Clock:
    """A countdown in seconds, by the event loop's clock."""

    def __init__(self) -> None:
        self.deadline = 0.0
        self._left: float | None = None
        """Time left when it was paused; None while it is running."""

    @property
    def left(self) -> float:
        """Seconds until the deadline, negative after it."""
        return self.deadline - _now()

    def restart(self, seconds: float) -> None:
        """Reset to the full time; a paused clock starts from it when it resumes."""
        if self._left is None:
            self.deadline = _now() + seconds
        else:
            self._left = seconds

    def pause(self, at_most: float) -> None:
        """Stop counting, for at most this long."""
        if self._left is None:
            self._left = self.left
            self.deadline = _now() + at_most

    def resume(self) -> None:
        """Continue from where it was paused."""
        if self._left is not None:
            self.deadline = _now() + self._left
            self._left = None

    def end_in(self, seconds: float) -> None:
        """Set a final deadline, also when paused; infinity means none."""
        self._left = None
        self.deadline = _now() + seconds if math.isfinite(seconds) else math.inf


def _now() -> float:
    return asyncio.get_running_loop().time()
