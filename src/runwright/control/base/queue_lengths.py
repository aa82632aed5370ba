"""How many Runs of a project wait: asked at every start, so a look reads a bounded number of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from runwright.domain.ids import ProjectId
from runwright.storage import runs as rows

EXACT = 1_000
"""Up to so many are counted at every look."""
_FRESH_SECONDS = 1.0


class QueueLengths:
    """What one process knows of the queues of projects; those that are long are counted once a second."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[ProjectId, tuple[float, int]] = {}
        """By project: when it was counted, and how many there were and have been let in since."""

    async def has_room(self, connection: Any, project_id: ProjectId, most: int) -> bool:
        """Return whether fewer than `most` Runs wait, before one more is let in.

        Where `most` is above `EXACT`, what others let into a long queue within a second is not seen, nor what left it.
        """
        number = await rows.count_waiting(connection, project_id, min(most, EXACT))
        if number < EXACT or most <= EXACT:
            self._known.pop(project_id, None)
            return number < most
        counted_at, number = self._known.get(project_id, (float("-inf"), 0))
        if self._clock() > counted_at + _FRESH_SECONDS:
            counted_at = self._clock()
            number = await rows.count_waiting(connection, project_id, most)
        self._known[project_id] = (counted_at, min(number + 1, most))
        return number < most
