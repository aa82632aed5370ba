"""An Attempt's clock: counts down to its deadline, stands still while a person is asked."""

from __future__ import annotations

import asyncio
import math


class Clock:
    """Seconds of the event loop's time."""

    def __init__(self) -> None:
        self.deadline = 0.0
        self._left: float | None = None
        """What was left when it was stopped."""

    @property
    def left(self) -> float:
        """Return how long it is to the deadline, negative after it."""
        return self.deadline - _now()

    def restart(self, seconds: float) -> None:
        """Count from the full time; one that stands still does so when it goes on."""
        if self._left is None:
            self.deadline = _now() + seconds
        else:
            self._left = seconds

    def stand_still(self, at_most: float) -> None:
        """Stop counting, for so long at most."""
        if self._left is None:
            self._left = self.left
            self.deadline = _now() + at_most

    def go_on(self) -> None:
        """Count on from where it was stopped."""
        if self._left is not None:
            self.deadline = _now() + self._left
            self._left = None

    def end_in(self, seconds: float) -> None:
        """Count down to an end that nothing puts off any more; infinite: there is none."""
        self._left = None
        self.deadline = _now() + seconds if math.isfinite(seconds) else math.inf


def _now() -> float:
    return asyncio.get_running_loop().time()
