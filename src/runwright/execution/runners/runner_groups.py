"""The Runners of one Deployment in a pool: their stages, their waiters, how many there should be."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto

from runwright.domain.ids import DeploymentId
from runwright.execution.deployments.deployment_cache import Installed
from runwright.execution.runners.runner_process import RunnerProcess

_MAX_START_FAILURES = 3


class RunnerFailure(Exception):
    """No Runner of a Deployment could be started; the message is the last one's error."""


class Stage(Enum):
    """The stage of a slot in the pool."""

    STARTING = auto()
    READY = auto()
    LEASED = auto()
    RECOVERING = auto()


@dataclass(eq=False, kw_only=True, slots=True)
class Slot:
    """A slot in the pool and the Runner in it."""

    deployment_id: DeploymentId
    stage: Stage = Stage.STARTING
    runner: RunnerProcess | None = None
    task: asyncio.Task[None] | None = None
    idle_since: int = 0
    idling: asyncio.TimerHandle | None = None


@dataclass(eq=False, kw_only=True, slots=True)
class Group:
    """The Runners of one Deployment and those waiting for one."""

    installed: Installed
    slots: set[Slot] = field(default_factory=set[Slot])
    waiting: deque[asyncio.Future[Slot]] = field(default_factory=deque["asyncio.Future[Slot]"])
    watching: set[asyncio.Future[None]] = field(default_factory=set["asyncio.Future[None]"])
    """Waiters that only need to know that a Runner can be started."""
    start_failures: int = 0
    is_kept_warm: bool = True
    used_at: float = 0.0

    @property
    def is_over(self) -> bool:
        """True when the group is no longer needed."""
        return not (self.slots or self.waiting or self.watching or self.is_kept_warm)

    @property
    def has_runner(self) -> bool:
        """True when at least one Runner has started, whatever its stage."""
        return any(slot.runner is not None for slot in self.slots)

    @property
    def ready(self) -> list[Slot]:
        """Slots whose Runner is ready to be leased."""
        return [slot for slot in self.slots if slot.stage is Stage.READY]

    @property
    def is_served_soon(self) -> bool:
        """True when enough Runners are starting or recovering to serve everyone waiting."""
        coming = sum(slot.stage in (Stage.STARTING, Stage.RECOVERING) for slot in self.slots)
        return coming >= self.needed

    @property
    def needed(self) -> int:
        """The number of waiters for a Runner or for one to have started."""
        return len(self.waiting) + len(self.watching)

    def wanted(self, capacity: int) -> int:
        """The number of Runners there should be: those leased and waited for, plus one ahead of need."""
        if self.start_failures >= _MAX_START_FAILURES:
            return 0
        waiting = sum(not future.done() for future in self.waiting)
        leased = sum(slot.stage is Stage.LEASED for slot in self.slots)
        ahead = 1 if self.is_kept_warm or self.watching else 0
        return min(leased + waiting + ahead, capacity)

    def offer(self, slot: Slot) -> bool:
        """Offer a ready Runner to the longest waiter; True when it was taken."""
        for started in self.watching:
            if not started.done():
                started.set_result(None)
        while self.waiting:
            future = self.waiting.popleft()
            if not future.done():
                future.set_result(slot)
                return True
        return False

    def give_up(self, error: Exception) -> None:
        """Fail all waiters once starting has failed often enough and no other Runner exists."""
        if self.start_failures < _MAX_START_FAILURES or self.has_runner:
            return
        for future in (*self.waiting, *self.watching):
            if not future.done():
                future.set_exception(RunnerFailure(str(error)))
        self.waiting.clear()
        # The next request starts afresh.
        self.start_failures = 0
        self.is_kept_warm = False
