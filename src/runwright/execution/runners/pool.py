"""One Worker's pool of warm Runners: leases them, starts them ahead of need, retires them.

The target is recomputed at every change: as many Runners as are leased or waited for, plus one, within
the capacity. When the pool is full, the Runner that has been idle longest is evicted for whoever waits.
A Deployment that has not been used for a while keeps one Runner; while it is in use, Runners that were
not needed for as long are stopped, down to two.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager

from runwright import telemetry
from runwright.domain.ids import DeploymentId
from runwright.domain.insight.overview import RunnerSeen
from runwright.execution.deployments.deployment_cache import Installed
from runwright.execution.runners.runner_groups import Group, Slot, Stage
from runwright.execution.runners.runner_process import RunnerProcess

log = telemetry.logger(__name__)

_IDLE_SECONDS = 120.0
_FEWEST_IN_USE = 2

Launch = Callable[[Installed], Awaitable[RunnerProcess]]
Recover = Callable[[RunnerProcess], Awaitable[bool]]


class Pool:
    """Leases warm Runners; at most `capacity` exist at once."""

    def __init__(
        self, *, capacity: int, launch: Launch, idle_seconds: float = _IDLE_SECONDS
    ) -> None:
        """`idle_seconds` is how long a surplus Runner may be idle before it is stopped."""
        self._capacity = capacity
        self._idle_seconds = idle_seconds
        self._launch = launch
        self._groups: dict[DeploymentId, Group] = {}
        self._clock = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._going: set[RunnerProcess] = set()
        self._coming: set[DeploymentId] = set()
        self._is_closed = False

    @property
    def size(self) -> int:
        """The number of Runners, including those that are starting."""
        return len(self._slots)

    def seen(self) -> list[RunnerSeen]:
        """All Runners and the stage of each."""
        return [
            RunnerSeen(deployment_id=str(slot.deployment_id), stage=slot.stage.name.lower())
            for slot in self._slots
        ]

    def stages(self) -> Counter[str]:
        """The number of Runners per stage: starting, ready, leased, recovering."""
        return Counter(each.stage for each in self.seen())

    def pids(self) -> list[int]:
        """Process ids of the Runners that have a process."""
        return [slot.runner.pid for slot in self._slots if slot.runner is not None]

    @asynccontextmanager
    async def lease(self, installed: Installed, recover: Recover) -> AsyncGenerator[RunnerProcess]:
        """Lease a Runner for one Attempt, waiting for one if necessary.

        When the block ends, `recover` is awaited in the background; it returns True if the Runner is clean.
        Otherwise the Runner is killed and replaced.

        Raises:
            RunnerFailure: Runners of this Deployment fail to start.
        """
        slot = await self._take(installed)
        assert slot.runner is not None
        try:
            yield slot.runner
        finally:
            slot.stage = Stage.RECOVERING
            self._spawn(self._recover(slot, recover))

    def warm(self, installed: Installed) -> None:
        """Keep a Runner of the Deployment ready ahead of need."""
        group = self._group(installed)
        group.is_kept_warm = True
        group.start_failures = 0
        self._balance()

    @contextmanager
    def keeping(self, deployment_id: DeploymentId) -> Generator[None]:
        """Ignore `cool` for a Deployment that is about to become current."""
        self._coming.add(deployment_id)
        try:
            yield
        finally:
            self._coming.discard(deployment_id)

    def cool(self, deployment_id: DeploymentId) -> None:
        """Stop a Deployment's idle Runners and keep none warm; leased ones finish their Attempt."""
        group = self._groups.get(deployment_id)
        if group is None or deployment_id in self._coming:
            return
        group.is_kept_warm = False
        for slot in group.ready:
            self._evict(slot)

    @property
    def warm_deployments(self) -> set[DeploymentId]:
        """Deployments with Runners here."""
        return set(self._groups)

    async def wait_warm(self, installed: Installed) -> None:
        """Wait until a Runner of the Deployment is ready.

        Raises:
            RunnerFailure: Runners of this Deployment fail to start.
        """
        group = self._group(installed)
        started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if group.has_runner:
            started.set_result(None)
        group.watching.add(started)
        try:
            self.warm(installed)
            await started
        finally:
            group.watching.discard(started)

    async def close(self) -> None:
        """Kill every Runner and wait until they are gone."""
        self._is_closed = True
        slots = self._slots
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        runners = {slot.runner for slot in slots if slot.runner is not None} | self._going
        await asyncio.gather(*(runner.kill() for runner in runners))
        self._groups.clear()

    @property
    def _slots(self) -> list[Slot]:
        return [slot for group in self._groups.values() for slot in group.slots]

    async def _take(self, installed: Installed) -> Slot:
        group = self._group(installed)
        ready = group.ready
        if ready and not group.waiting:
            # The most recently used one has the warmest caches.
            slot = max(ready, key=lambda each: each.idle_since)
            self._hand_out(group, slot)
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

    def _group(self, installed: Installed) -> Group:
        return self._groups.setdefault(installed.deployment_id, Group(installed=installed))

    def _offer(self, slot: Slot) -> None:
        """Hand a ready Runner to the longest waiter, or let it idle."""
        group = self._groups[slot.deployment_id]
        if group.offer(slot):
            self._hand_out(group, slot)
            return
        slot.stage = Stage.READY
        slot.idle_since = next(self._clock)
        self._watch_idle(group, slot)
        if not group.is_kept_warm:
            self._evict(slot)
        self._balance()

    def _hand_out(self, group: Group, slot: Slot) -> None:
        if slot.idling is not None:
            slot.idling.cancel()
        slot.stage = Stage.LEASED
        # This one works, so whatever kept others from starting, such as a database outage, may be over.
        group.start_failures = 0
        group.used_at = asyncio.get_running_loop().time()
        self._balance()

    def _watch_idle(self, group: Group, slot: Slot) -> None:
        loop = asyncio.get_running_loop()
        slot.idling = loop.call_later(self._idle_seconds, self._end_idle, group, slot)

    def _end_idle(self, group: Group, slot: Slot) -> None:
        """Stop a Runner that has been idle for long, unless it is one of those to keep."""
        if self._is_closed or slot not in group.slots or slot.stage is not Stage.READY:
            return
        unused = asyncio.get_running_loop().time() - group.used_at
        fewest = 1 if unused >= self._idle_seconds else _FEWEST_IN_USE
        if len(group.slots) > max(fewest, group.wanted(self._capacity)):
            self._evict(slot)
        else:
            self._watch_idle(group, slot)

    def _balance(self) -> None:
        """Start the Runners that are wanted and fit; evict idle ones where someone waits and none fits."""
        if self._is_closed:
            return
        for group in sorted(self._groups.values(), key=lambda each: -each.needed):
            while len(group.slots) < group.wanted(self._capacity) and self._has_room(group):
                self._start(group)

    def _has_room(self, group: Group) -> bool:
        """True when one more Runner fits, after evicting idle ones of other Deployments if someone waits."""
        while self.size >= self._capacity:
            others = (other for other in self._groups.values() if other is not group)
            idle = [slot for other in others for slot in other.ready]
            if group.is_served_soon or not idle:
                return False
            self._remove(min(idle, key=lambda slot: slot.idle_since))
        return True

    def _start(self, group: Group) -> None:
        slot = Slot(deployment_id=group.installed.deployment_id)
        group.slots.add(slot)
        slot.task = self._spawn(self._bring_up(group, slot))

    async def _bring_up(self, group: Group, slot: Slot) -> None:
        try:
            slot.runner = await self._launch(group.installed)
        except asyncio.CancelledError:
            group.slots.discard(slot)
            raise
        except Exception as error:  # noqa: BLE001 - whatever it was, the waiters must be told
            group.slots.discard(slot)
            group.start_failures += 1
            log.warning(
                "runner did not start",
                event_name="runner_start_failed",
                deployment_id=str(slot.deployment_id),
                error=str(error),
            )
            group.give_up(error)
            self._balance()
            return
        group.start_failures = 0
        self._offer(slot)

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
        self._remove(slot)
        self._balance()

    def _remove(self, slot: Slot) -> None:
        group = self._groups[slot.deployment_id]
        group.slots.discard(slot)
        if slot.runner is not None and not self._is_closed:
            self._going.add(slot.runner)
            self._spawn(self._kill(slot.runner))
        if group.is_over:
            del self._groups[slot.deployment_id]

    async def _kill(self, runner: RunnerProcess) -> None:
        await runner.kill()
        self._going.discard(runner)

    def _spawn(self, work: Awaitable[None]) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
