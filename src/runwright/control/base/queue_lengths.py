"""The number of waiting Runs of a project. Every start asks for it, so each count reads a bounded number of rows."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from runwright.domain.ids import ProjectId
from runwright.storage import runs as rows

EXACT = 1_000
"""Queues up to this length are counted at every start."""
_FRESH_SECONDS = 1.0


class QueueLengths:
    """Queue lengths as one process knows them; long queues are counted once a second."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[ProjectId, tuple[float, int]] = {}
        """By project: when it was counted, and the count plus the Runs accepted since."""

    async def has_room(self, connection: Any, project_id: ProjectId, most: int) -> bool:
        """True when fewer than `most` Runs wait, so that one more may be accepted.

        Where `most` exceeds `EXACT`, changes by other processes within the last second are not seen.
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
