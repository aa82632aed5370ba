"""One Worker: takes queue entries, keeps Runners warm, interrupts Attempts that must stop, drains."""

from __future__ import annotations

import asyncio
import functools
import os
import socket
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, TypeVar

from runwright import db_errors, telemetry
from runwright.adapters import signals
from runwright.adapters.queue.consumer import Consumer, Queue
from runwright.control.base import admission, queues
from runwright.control.base.platform import Platform
from runwright.control.deliveries import deliveries
from runwright.control.insight import diagnostics, drift
from runwright.control.jobs import job_runs
from runwright.control.projects import deployments
from runwright.control.runs import attempts, live, queue_limits
from runwright.domain.ids import WorkerId
from runwright.execution.attempts import upload_spool
from runwright.execution.attempts.attempt_executor import AttemptExecutor
from runwright.execution.attempts.author_environment import AuthorEnvironment
from runwright.execution.deployments.deployment_cache import Installed
from runwright.execution.diagnostics import checks
from runwright.execution.diagnostics.periodic import PeriodicDiagnostics
from runwright.execution.flows import worker_metrics
from runwright.execution.flows.delivery_flow import DeliveryFlow
from runwright.execution.flows.deploy_flow import DeployFlow
from runwright.execution.flows.housekeeping import Housekeeping
from runwright.execution.flows.run_flow import RunFlow
from runwright.execution.flows.schedule_tick import ScheduleTick
from runwright.execution.flows.worker_slots import SPARE_RUNNERS, slots
from runwright.execution.live.live_flow import LiveFlow
from runwright.execution.runners import launcher, reaper
from runwright.execution.runners.launcher import Launcher
from runwright.execution.runners.pool import Pool
from runwright.storage import (
    metrics as metric_rows,
    platform as platform_rows,
    projects as project_rows,
)

log = telemetry.logger(__name__)

_Found = TypeVar("_Found")
_LOOK_SECONDS = 1.0
_BEAT_SECONDS = 2.0
_LEAVING = timedelta(seconds=5)
"""Time for the last writes of a drain."""
_PUBLISH_SECONDS = 5.0
_SWEEP_SECONDS = 5.0
_RESULTS_SECONDS = 2.0
_DIAGNOSTICS_SECONDS = 30.0
_LIVE_SECONDS = 3600.0
"""Only a fallback: a waiting viewer asks again."""
_STEPS_AT_ONCE = 8
"""Deployments and steps of JobRuns processed at once; they take no slots from Attempts."""
_DELIVERIES_AT_ONCE = 32
_DELIVERIES_OF_A_PROJECT = 8
"""So that a receiver that hangs blocks only its own project's Deliveries."""


class Worker:
    """An open Worker; `serve` returns once it was told to stop and its work is finished."""

    def __init__(
        self, platform: Platform, starter: Launcher, environment: AuthorEnvironment
    ) -> None:
        self.id = WorkerId(uuid.uuid4())
        self._platform = platform
        self.slots = slots(platform.settings)
        self._pool = Pool(capacity=self.slots + SPARE_RUNNERS, launch=starter.launch)
        self._executor = AttemptExecutor(platform, self._pool, environment)
        self._runs = RunFlow(platform, self.id, self._executor)
        self._live = LiveFlow(platform, self._runs.held)
        self._deploys = DeployFlow(platform, self._pool, starter)
        self._consumer = Consumer(
            platform.pulse,
            queues=self._queues,
            slots=self.slots,
            beside=_STEPS_AT_ONCE,
            heartbeat_timeout=platform.settings.heartbeat_timeout,
        )
        self._tick = ScheduleTick(platform)
        self._deliveries = DeliveryFlow(platform)
        # Separate, so that a receiver that hangs takes no slot from Runs.
        self._sending = Consumer(
            platform.pulse,
            queues=self._delivery_queues,
            slots=_DELIVERIES_AT_ONCE,
            heartbeat_timeout=platform.settings.webhook_timeout * 2,
            is_woken_by_hand=True,
        )
        self._housekeeping = Housekeeping(platform, self._executor)
        self._diagnostics = PeriodicDiagnostics(platform, self.id)
        self._stopping = asyncio.Event()
        self._swept: dict[str, Any] = {}
        """Cursor of the sweep through unfinished rows, by kind; None: start over."""
        # Several heartbeats fit in the timeout.
        silence = platform.settings.heartbeat_timeout.total_seconds()
        self._beat_seconds = min(_BEAT_SECONDS, silence / 4)

    def stop(self) -> None:
        """Drain: start nothing more, give running Attempts their grace period, then hand them back."""
        self._stopping.set()
        self._runs.drain()
        self._tick.stop()
        self._consumer.stop()
        self._sending.stop()

    async def serve(self) -> None:
        """Work until `stop`."""
        watches = [
            self._repeatedly(self._beat_seconds, self._beat),
            self._on_signal("interrupted", _LOOK_SECONDS, self._runs.interrupt_canceled_or_lost),
            self._on_signal("projects", _SWEEP_SECONDS, self._follow_projects),
            self._on_signal("deliveries", _SWEEP_SECONDS, self._wake_sending),
            self._on_signal(live.TOPIC, _LIVE_SECONDS, self._live.accept_requests),
            self._repeatedly(_SWEEP_SECONDS, self._sweep),
            self._repeatedly(_SWEEP_SECONDS, functools.partial(upload_spool.send, self._platform)),
            self._repeatedly(_RESULTS_SECONDS, self._check_drift),
            self._on_signal(diagnostics.TOPIC, _DIAGNOSTICS_SECONDS, self._diagnostics.run_if_due),
            self._housekeeping.run(),
            self._tick.run(),
            self._repeatedly(_PUBLISH_SECONDS, self._publish),
        ]
        tasks = [asyncio.create_task(watch) for watch in watches]
        try:
            await self._until_drained(asyncio.gather(self._consumer.run(), self._sending.run()))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._live.close()
            await self._pool.close()
            await reaper.reap_the_rest()
            await self._forget()

    async def _until_drained(self, working: asyncio.Future[Any]) -> None:
        """Wait for all work to end, but not forever: without a database it may never end.

        Unfinished work is then taken over by another Worker, as if this one had died.
        """
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        settings = self._platform.settings
        grace = max(settings.drain_grace, settings.webhook_timeout) + _LEAVING
        await asyncio.wait({working}, timeout=grace.total_seconds())
        if working.done():
            await working
            return
        log.warning("worker stops with work unfinished", event_name="worker_left_work")
        for consumer in (self._consumer, self._sending):
            consumer.give_up()
        working.cancel()
        await asyncio.wait({working}, timeout=_LEAVING.total_seconds())

    async def _queues(self) -> list[Queue]:
        limits = await attempts.limits(self._platform)
        found = [
            Queue(name=queues.queue_name(project_id), limit=limit, handler=self._runs.handle)
            for project_id, limit in limits.items()
        ]
        deploy = Queue(
            name=deployments.QUEUE, limit=0, handler=self._deploys.handle, takes_slot=False
        )
        handler = functools.partial(job_runs.look, self._platform)
        steps = Queue(name=queues.JOB_RUNS, limit=0, handler=handler, takes_slot=False)
        return [*found, deploy, steps]

    async def _delivery_queues(self) -> list[Queue]:
        return [
            Queue(
                name=deliveries.queue_name(project_id),
                limit=_DELIVERIES_OF_A_PROJECT,
                handler=self._deliveries.handle,
            )
            for project_id in await attempts.limits(self._platform)
        ]

    async def _wake_sending(self) -> None:
        self._sending.wake()

    async def _beat(self) -> None:
        silence = self._platform.settings.heartbeat_timeout
        # A heartbeat that gets no answer leaves time for the next one within the timeout.
        async with asyncio.timeout(silence.total_seconds() / 2):
            await platform_rows.beat(
                self._platform.pulse,
                self.id,
                socket.gethostname(),
                os.getpid(),
                self.slots,
                self._pool.seen(),
                silence=silence,
            )
        reaper.reap_orphans()

    async def _publish(self) -> None:
        short = admission.shortages(self._platform.settings)
        measured = await worker_metrics.measure(
            self._pool, attempts=len(self._runs.held), short=short
        )
        await metric_rows.publish(self._platform.database, self.id, measured)

    async def _follow_projects(self) -> None:
        """Pick up new projects and limits; keep Runners warm for current Deployments only."""
        await self._consumer.refresh()
        await self._sending.refresh()
        current = await project_rows.current_deployments(self._platform.database, self.slots)
        wanted = {deployment.id for deployment in current}
        for gone in self._pool.warm_deployments - wanted:
            self._pool.cool(gone)
        for deployment in current:
            if deployment.id not in self._pool.warm_deployments:
                await self._executor.warm(deployment.id)

    async def _check_drift(self) -> None:
        """Check new results for drift."""
        while await drift.examine(self._platform) == drift.EXAMINED_AT_ONCE:
            pass

    async def _sweep(self) -> None:
        # Separately, so that one failure does not stop the others.
        await self._try(lambda: queue_limits.expire_due(self._platform))
        await self._try(self._requeue_lost)

    async def _requeue_lost(self) -> None:
        few = await self._try(functools.partial(deployments.requeue_lost, self._platform))
        lost = {"deployments": len(few or ())}
        for kind, requeue in (
            ("runs", attempts.requeue_lost),
            ("deliveries", deliveries.requeue_lost),
            ("job_runs", job_runs.requeue_lost),
        ):
            lost[kind] = await self._try(functools.partial(self._go_on, kind, requeue)) or 0
        if any(lost.values()):
            log.warning("lost queue entries were recreated", event_name="entries_requeued", **lost)

    async def _go_on(
        self, kind: str, requeue: Callable[[Platform, Any], Awaitable[tuple[Sequence[str], Any]]]
    ) -> int:
        lost, self._swept[kind] = await requeue(self._platform, self._swept.get(kind))
        return len(lost)

    async def _on_signal(
        self, topic: str, seconds: float, act: Callable[[], Awaitable[None]]
    ) -> None:
        with self._platform.signals.subscribe(topic) as signalled:
            while True:
                await self._try(act)
                await signals.wait(signalled, seconds)

    async def _repeatedly(self, seconds: float, act: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self._try(act)
            await asyncio.sleep(seconds)

    async def _try(self, act: Callable[[], Awaitable[_Found]]) -> _Found | None:
        try:
            return await act()
        except Exception as error:
            # It is tried again at the next round; database problems are reported elsewhere too.
            if db_errors.is_passing(error):
                log.warning("worker cannot reach the database", event_name="worker_database_lost")
            else:
                log.exception("worker watch failed", event_name="worker_watch_failed")
            return None

    async def _forget(self) -> None:
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                await platform_rows.forget_worker(self._platform.database, self.id)
        except Exception as error:
            if not (db_errors.is_passing(error) or isinstance(error, TimeoutError)):
                raise


@asynccontextmanager
async def opened(platform: Platform) -> AsyncGenerator[Worker]:
    """Open a Worker, after cleaning up what an earlier one left on this machine."""
    environment = AuthorEnvironment(platform)

    async def variables(deployment: Installed) -> dict[str, str]:
        return await environment.of_project(deployment.workspace_id, deployment.project_id)

    await asyncio.to_thread(checks.sweep_leftovers)
    async with launcher.opened(platform.settings, variables) as starter:
        yield Worker(platform, starter, environment)
