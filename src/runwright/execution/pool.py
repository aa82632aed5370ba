"""The pool of warm Runners of one Worker: leasing one, starting them ahead of need, retiring them.

How many stay warm is decided anew at every change: as many as are leased or waited for, and one
more, within what memory and cores allow. When the pool is full the Runner that was idle longest
gives way to who waits.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum, auto

from runwright import telemetry
from runwright.domain.ids import DeploymentId
from runwright.execution.installed import Installed
from runwright.execution.runner_process import RunnerProcess

log = telemetry.logger(__name__)

_MAX_START_FAILURES = 3


class RunnerFailure(Exception):
    """No Runner of a Deployment could be started; the message says what the last one said."""


class _Stage(Enum):
    STARTING = auto()
    READY = auto()
    LEASED = auto()
    RECOVERING = auto()


@dataclass(eq=False, kw_only=True, slots=True)
class Slot:
    """A place in the pool and the Runner in it."""

    deployment_id: DeploymentId
    stage: _Stage = _Stage.STARTING
    runner: RunnerProcess | None = None
    task: asyncio.Task[None] | None = None
    idle_since: int = 0


@dataclass(eq=False, kw_only=True, slots=True)
class _Group:
    """The Runners of one Deployment and who waits for one."""

    installed: Installed
    slots: set[Slot] = field(default_factory=set[Slot])
    waiting: deque[asyncio.Future[Slot]] = field(default_factory=deque["asyncio.Future[Slot]"])
    start_failures: int = 0
    is_kept_warm: bool = True


Launch = Callable[[Installed], Awaitable[RunnerProcess]]
Recover = Callable[[RunnerProcess], Awaitable[bool]]


class Pool:
    """Leases warm Runners; at most `capacity` exist at once."""

    def __init__(self, *, capacity: int, launch: Launch) -> None:
        self._capacity = capacity
        self._launch = launch
        self._groups: dict[DeploymentId, _Group] = {}
        self._clock = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False

    @property
    def size(self) -> int:
        """Return how many Runners there are, starting ones too."""
        return sum(len(group.slots) for group in self._groups.values())

    @asynccontextmanager
    async def lease(self, installed: Installed, recover: Recover) -> AsyncGenerator[RunnerProcess]:
        """Hold a Runner for one Attempt, waiting for one if need be.

        When the block ends `recover` is awaited in the background; it says whether the Runner came
        back as it was found. One that did not is killed and replaced.

        Raises:
            RunnerFailure: Runners of this Deployment do not start.
        """
        slot = await self._take(installed)
        assert slot.runner is not None
        try:
            yield slot.runner
        finally:
            slot.stage = _Stage.RECOVERING
            self._spawn(self._recover(slot, recover))

    def warm(self, installed: Installed) -> None:
        """Have a Runner of the Deployment ready ahead of need."""
        group = self._group(installed)
        group.is_kept_warm = True
        group.start_failures = 0
        self._balance()

    def cool(self, deployment_id: DeploymentId) -> None:
        """Stop keeping Runners of a Deployment; those leased finish their Attempt."""
        group = self._groups.get(deployment_id)
        if group is None:
            return
        group.is_kept_warm = False
        for slot in list(group.slots):
            if slot.stage is _Stage.READY:
                self._evict(slot)

    @property
    def warm_deployments(self) -> set[DeploymentId]:
        """Return the Deployments that have Runners here."""
        return set(self._groups)

    async def wait_warm(self, installed: Installed) -> None:
        """Return when a Runner of the Deployment is ready.

        Raises:
            RunnerFailure: Runners of this Deployment do not start.
        """
        self.warm(installed)
        slot = await self._take(installed)
        slot.stage = _Stage.RECOVERING
        self._offer(slot)

    async def close(self) -> None:
        """Kill every Runner and wait until they are gone."""
        self._is_closed = True
        slots = [slot for group in self._groups.values() for slot in group.slots]
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(slot.runner.kill() for slot in slots if slot.runner is not None))
        self._groups.clear()

    async def _take(self, installed: Installed) -> Slot:
        group = self._group(installed)
        ready = [slot for slot in group.slots if slot.stage is _Stage.READY]
        if ready and not group.waiting:
            # The one used last has the warmest caches.
            slot = max(ready, key=lambda each: each.idle_since)
            slot.stage = _Stage.LEASED
            self._balance()
            return slot
        future: asyncio.Future[Slot] = asyncio.get_running_loop().create_future()
        group.waiting.append(future)
        self._balance()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self._offer(future.result())
            raise
        finally:
            if future in group.waiting:
                group.waiting.remove(future)

    def _group(self, installed: Installed) -> _Group:
        return self._groups.setdefault(installed.deployment_id, _Group(installed=installed))

    def _offer(self, slot: Slot) -> None:
        """Give a ready Runner to who waits longest, or let it idle."""
        group = self._groups[slot.deployment_id]
        while group.waiting:
            future = group.waiting.popleft()
            if not future.done():
                slot.stage = _Stage.LEASED
                future.set_result(slot)
                self._balance()
                return
        slot.stage = _Stage.READY
        slot.idle_since = next(self._clock)
        if not group.is_kept_warm:
            self._evict(slot)
        self._balance()

    def _balance(self) -> None:
        """Start what is wanted and fits; make room where someone waits and nothing fits."""
        if self._is_closed:
            return
        for group in sorted(self._groups.values(), key=lambda each: -len(each.waiting)):
            while len(group.slots) < self._wanted(group):
                if self.size >= self._capacity and not (group.waiting and self._make_room(group)):
                    break
                self._start(group)

    def _wanted(self, group: _Group) -> int:
        if group.start_failures >= _MAX_START_FAILURES:
            return 0
        waiting = sum(not future.done() for future in group.waiting)
        leased = sum(slot.stage is _Stage.LEASED for slot in group.slots)
        return min(leased + waiting + (1 if group.is_kept_warm else 0), self._capacity)

    def _make_room(self, group: _Group) -> bool:
        # Runners that are on their way serve this group soon enough.
        coming = sum(slot.stage in (_Stage.STARTING, _Stage.RECOVERING) for slot in group.slots)
        if coming >= len(group.waiting):
            return False
        idle = [
            slot
            for other in self._groups.values()
            if other is not group
            for slot in other.slots
            if slot.stage is _Stage.READY
        ]
        if not idle:
            return False
        self._evict(min(idle, key=lambda slot: slot.idle_since))
        return True

    def _start(self, group: _Group) -> None:
        slot = Slot(deployment_id=group.installed.deployment_id)
        group.slots.add(slot)
        slot.task = self._spawn(self._bring_up(group, slot))

    async def _bring_up(self, group: _Group, slot: Slot) -> None:
        try:
            slot.runner = await self._launch(group.installed)
        except asyncio.CancelledError:
            group.slots.discard(slot)
            raise
        except Exception as error:  # noqa: BLE001 - whatever it was, who waits must hear of it
            group.slots.discard(slot)
            group.start_failures += 1
            log.warning(
                "runner did not start",
                event_name="runner_start_failed",
                deployment_id=str(slot.deployment_id),
                error=str(error),
            )
            self._give_up(group, error)
            self._balance()
            return
        group.start_failures = 0
        self._offer(slot)

    def _give_up(self, group: _Group, error: Exception) -> None:
        if group.start_failures < _MAX_START_FAILURES or any(slot.runner for slot in group.slots):
            return
        while group.waiting:
            future = group.waiting.popleft()
            if not future.done():
                future.set_exception(RunnerFailure(str(error)))
        # The next one who asks gets a fresh try.
        group.start_failures = 0
        group.is_kept_warm = False

    async def _recover(self, slot: Slot, recover: Recover) -> None:
        assert slot.runner is not None
        is_fit = False
        try:
            is_fit = await recover(slot.runner)
        finally:
            if not is_fit:
                self._evict(slot)
        if is_fit:
            self._offer(slot)

    def _evict(self, slot: Slot) -> None:
        group = self._groups[slot.deployment_id]
        group.slots.discard(slot)
        if slot.runner is not None and not self._is_closed:
            self._spawn(slot.runner.kill())
        if not group.slots and not group.waiting and not group.is_kept_warm:
            del self._groups[slot.deployment_id]
        self._balance()

    def _spawn(self, work: Awaitable[None]) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
