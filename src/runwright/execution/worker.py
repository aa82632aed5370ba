"""One Worker: takes entries from the queue, keeps Runners warm, notices what must stop, drains."""

from __future__ import annotations

import asyncio
import os
import socket
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import psutil

from runwright import telemetry
from runwright.adapters import engine, signals
from runwright.config import Settings
from runwright.control import attempts, deliveries, deployments, queues
from runwright.control.platform import Platform
from runwright.domain.ids import WorkerId
from runwright.execution import launcher, runner_process, tidy
from runwright.execution.author_environment import AuthorEnvironment
from runwright.execution.carrier import Carrier
from runwright.execution.delivery_flow import DeliveryFlow
from runwright.execution.deploy_flow import DeployFlow
from runwright.execution.installed import Installed
from runwright.execution.launcher import Launcher
from runwright.execution.pool import Pool
from runwright.execution.run_flow import RunFlow
from runwright.storage import database, platform as platform_rows, projects as project_rows

log = telemetry.logger(__name__)

_RUNNER_BYTES = 400 * 1024 * 1024
"""What one warm Runner with its Chromium is reckoned at."""
_RUNNERS_PER_CORE = 2
_SPARE_RUNNERS = 1
_LOOK_SECONDS = 1.0
_BEAT_SECONDS = 2.0
_REAP_SECONDS = 0.1
_SWEEP_SECONDS = 5.0
_TIDY_SECONDS = 3600.0
_DEPLOYS_AT_ONCE = 1
_DELIVERIES_AT_ONCE = 32
_DELIVERIES_OF_A_PROJECT = 8
"""A receiver that hangs holds up its own project's Deliveries at the most."""


class Worker:
    """A Worker that has begun; `serve` returns when it was told to stop and everything is over."""

    def __init__(
        self, platform: Platform, starter: Launcher, environment: AuthorEnvironment
    ) -> None:
        self.id = WorkerId(uuid.uuid4())
        self._platform = platform
        self.slots = slots(platform.settings)
        self._pool = Pool(capacity=self.slots + _SPARE_RUNNERS, launch=starter.launch)
        self._carrier = Carrier(platform, self._pool, environment)
        self._runs = RunFlow(platform, self.id, self._carrier)
        self._deploys = DeployFlow(platform, self._pool, starter)
        self._consumer = engine.Consumer(
            platform.database,
            queues=self._queues,
            slots=self.slots + _DEPLOYS_AT_ONCE,
            heartbeat_timeout=platform.settings.heartbeat_timeout,
        )
        self._deliveries = DeliveryFlow(platform)
        # One of their own: a receiver that hangs takes no slot from Runs.
        self._sending = engine.Consumer(
            platform.database,
            queues=self._delivery_queues,
            slots=_DELIVERIES_AT_ONCE,
            heartbeat_timeout=platform.settings.webhook_timeout * 2,
            is_woken_by_hand=True,
        )
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Drain: begin nothing more, give what runs its grace, then hand it back."""
        self._stopping.set()
        self._runs.drain()
        self._consumer.stop()
        self._sending.stop()

    async def serve(self) -> None:
        """Work until `stop`."""
        watches = [
            self._repeatedly(_BEAT_SECONDS, self._beat),
            self._on_signal("interrupted", _LOOK_SECONDS, self._runs.interrupt_asked),
            self._on_signal("projects", _SWEEP_SECONDS, self._follow_projects),
            self._on_signal("deliveries", _SWEEP_SECONDS, self._wake_sending),
            self._repeatedly(_SWEEP_SECONDS, self._sweep),
            self._repeatedly(_TIDY_SECONDS, self._tidy),
        ]
        tasks = [asyncio.create_task(watch) for watch in watches]
        try:
            await asyncio.gather(self._consumer.run(), self._sending.run())
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._pool.close()
            # Twice: the first look tells orphans from what is just being waited for.
            for _ in range(2):
                runner_process.reap_orphans()
                await asyncio.sleep(_REAP_SECONDS)
            runner_process.reap_orphans()
            await self._forget()

    async def _queues(self) -> list[engine.Queue]:
        limits = await attempts.limits(self._platform)
        found = [
            engine.Queue(name=queues.queue_name(project_id), limit=limit, handler=self._runs.look)
            for project_id, limit in limits.items()
        ]
        deploy = engine.Queue(name=deployments.QUEUE, limit=0, handler=self._deploys.look)
        return [*found, deploy]

    async def _delivery_queues(self) -> list[engine.Queue]:
        return [
            engine.Queue(
                name=deliveries.queue_name(project_id),
                limit=_DELIVERIES_OF_A_PROJECT,
                handler=self._deliveries.look,
            )
            for project_id in await attempts.limits(self._platform)
        ]

    async def _wake_sending(self) -> None:
        self._sending.wake()

    async def _beat(self) -> None:
        await platform_rows.beat(
            self._platform.database, self.id, socket.gethostname(), os.getpid(), self.slots
        )
        runner_process.reap_orphans()

    async def _follow_projects(self) -> None:
        """Follow new projects and limits; keep the Runners of current Deployments warm, others not."""
        await self._consumer.refresh()
        await self._sending.refresh()
        current = await project_rows.current_deployments(self._platform.database, self.slots)
        wanted = {deployment.id for deployment in current}
        for gone in self._pool.warm_deployments - wanted:
            self._pool.cool(gone)
        for deployment in current:
            if deployment.id not in self._pool.warm_deployments:
                self._pool.warm(await self._carrier.install(deployment.id))

    async def _sweep(self) -> None:
        lost_runs = await attempts.requeue_lost(self._platform)
        lost_deployments = await deployments.requeue_lost(self._platform)
        lost_deliveries = await deliveries.requeue_lost(self._platform)
        if lost_runs or lost_deployments or lost_deliveries:
            log.warning(
                "queue entries were lost and made again",
                event_name="entries_requeued",
                runs=len(lost_runs),
                deployments=len(lost_deployments),
                deliveries=len(lost_deliveries),
            )

    async def _tidy(self) -> None:
        settings = self._platform.settings
        await deployments.forget_unneeded(self._platform)
        await asyncio.to_thread(
            tidy.sweep,
            settings.data_dir,
            kept=self._carrier.folders,
            unused_for=settings.unused_retention,
            now=time.time(),
        )

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

    async def _try(self, act: Callable[[], Awaitable[None]]) -> None:
        try:
            await act()
        except Exception as error:
            # Every watch comes round again; what is wrong with the database is told elsewhere too.
            if database.is_connection_lost(error):
                log.warning("worker cannot reach the database", event_name="worker_database_lost")
            else:
                log.exception("worker watch failed", event_name="worker_watch_failed")

    async def _forget(self) -> None:
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                await platform_rows.forget_worker(self._platform.database, self.id)
        except Exception as error:
            if not (database.is_connection_lost(error) or isinstance(error, TimeoutError)):
                raise


def slots(settings: Settings) -> int:
    """Return how many Attempts to carry out at once: as set, or what cores and memory allow."""
    if settings.slots is not None:
        return settings.slots
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    by_memory = psutil.virtual_memory().available // _RUNNER_BYTES - _SPARE_RUNNERS
    return max(1, min(cores * _RUNNERS_PER_CORE, by_memory))


@asynccontextmanager
async def begin(platform: Platform) -> AsyncGenerator[Worker]:
    """Open a Worker; what an earlier one left on this machine is cleaned up first."""
    environment = AuthorEnvironment(platform)

    async def variables(deployment: Installed) -> dict[str, str]:
        return await environment.of_project(deployment.workspace_id, deployment.project_id)

    async with launcher.opened(platform.settings, variables) as opened:
        yield Worker(platform, opened, environment)
