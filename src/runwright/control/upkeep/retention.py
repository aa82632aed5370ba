"""Pruning: removes what is past its retention, in small batches, and never what is still needed.

Each batch is one or two statements that lock only what they delete. Rows are deleted before their blobs: a
crash in between leaves orphans, which `control.upkeep.orphans` finds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Protocol

from runwright import telemetry
from runwright.adapters.queue import engine
from runwright.control.base.platform import Platform
from runwright.control.upkeep import orphans
from runwright.domain import retention as domain
from runwright.domain.retention import Kind, PastPruning, Pruning, Removed
from runwright.errors import Conflict
from runwright.storage import retention as rows

log = telemetry.logger(__name__)

_FILES = 500
_RUNS = 100
_LOG_LINES = 5_000
_ROWS = 1_000
_QUEUE_LOG_LIFE = timedelta(days=1)
_NEVER = timedelta(0)
"""A retention of zero keeps everything forever."""
_MOST_REST_SECONDS = 0.5


class Step(Protocol):
    """Removes what is due of one kind, yielding after every batch; in a dry run, yields what would be removed."""

    def __call__(self, platform: Platform, *, is_dry: bool) -> AsyncGenerator[Removed]:
        """Start the step."""
        ...


async def prune(platform: Platform, *, is_dry: bool, patience: timedelta) -> Pruning:
    """Remove what is due, or count it; stop when the time is up, and continue with the next call.

    Raises:
        Conflict: another pruning, or a backup, is in progress.
    """
    async with alone(platform):
        return await _prune(platform, is_dry=is_dry, patience=patience)


async def prune_if_due(platform: Platform, *, patience: timedelta) -> Pruning | None:
    """Run the nightly pruning, unless it is done or in progress elsewhere."""
    if not await _is_due(platform):
        return None
    try:
        async with alone(platform):
            # Another process may have done it between the check and the lock.
            is_due = await _is_due(platform)
            return await _prune(platform, is_dry=False, patience=patience) if is_due else None
    except Conflict:
        return None


async def last(platform: Platform) -> PastPruning | None:
    """The last pruning on record, or None."""
    return await rows.last(platform.database)


@asynccontextmanager
async def alone(platform: Platform) -> AsyncGenerator[None]:
    """Hold the lock that keeps prunings and backups apart.

    Raises:
        Conflict: another pruning or a backup holds it.
    """
    async with platform.database.acquire() as connection:
        if not await rows.try_lock(connection):
            raise Conflict("Another pruning, or a backup, is in progress: try again once it ends.")
        try:
            yield
        finally:
            await rows.unlock(connection)


async def _is_due(platform: Platform) -> bool:
    last_began = await rows.last_complete(platform.database)
    return domain.is_due(last_began, hour=platform.settings.prune_hour, now=datetime.now(UTC))


async def _prune(platform: Platform, *, is_dry: bool, patience: timedelta) -> Pruning:
    started_at = datetime.now(UTC)
    found, is_complete = await _remove(platform, is_dry=is_dry, patience=patience)
    done = Pruning(removed=domain.total(found), is_dry=is_dry, is_complete=is_complete)
    if not is_dry:
        await _note(platform, started_at, done)
    return done


async def _remove(
    platform: Platform, *, is_dry: bool, patience: timedelta
) -> tuple[list[Removed], bool]:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience.total_seconds()
    found: list[Removed] = []
    for step in _STEPS:
        async with aclosing(step(platform, is_dry=is_dry)) as removals:
            began = loop.time()
            async for removed in removals:
                found.append(removed)
                if loop.time() > deadline:
                    # Orphans are searched for only as long as there is time; the next night continues.
                    return found, step is orphans.remove
                if not is_dry:
                    # Pause as long as the batch took, so that urgent work has the database half of the time.
                    await asyncio.sleep(min(loop.time() - began, _MOST_REST_SECONDS))
                began = loop.time()
    return found, True


async def _note(platform: Platform, started_at: datetime, done: Pruning) -> None:
    removed = {
        each.kind.value: {"count": each.count, "bytes": each.size_bytes}
        for each in done.removed
        if each.count
    }
    await rows.note(platform.database, started_at, removed, is_complete=done.is_complete)
    log.info(
        "pruned expired data",
        event_name="pruned",
        is_complete=done.is_complete,
        size_bytes=done.size_bytes,
        **{each.kind.name.lower(): each.count for each in done.removed if each.count},
    )


async def _files(platform: Platform, *, is_dry: bool) -> AsyncGenerator[Removed]:
    life = platform.settings.file_retention
    if life == _NEVER:
        return
    if is_dry:
        count, size = await rows.due_files(platform.database, life)
        yield Removed(kind=Kind.FILES, count=count, size_bytes=size)
        return
    while forgotten := await rows.forget_due_files(platform.database, life, _FILES):
        yield await orphans.drop_files(platform, forgotten)


async def _runs(platform: Platform, *, is_dry: bool) -> AsyncGenerator[Removed]:
    life = platform.settings.run_retention
    if life == _NEVER:
        return
    if is_dry:
        due = await rows.due_runs(platform.database, life, limit=1_000_000)
        yield Removed(kind=Kind.RUNS, count=len(due))
        every = await rows.with_parts(platform.database, due)
        lines = await rows.count_log_lines_of(platform.database, every)
        yield Removed(kind=Kind.LOG_LINES, count=lines)
        return
    while due := await rows.due_runs(platform.database, life, _RUNS):
        every = await rows.with_parts(platform.database, due)
        if files := await rows.forget_files_of(platform.database, every):
            yield await orphans.drop_files(platform, files)
        while lines := await rows.forget_log_lines_of(platform.database, every, _LOG_LINES):
            yield Removed(kind=Kind.LOG_LINES, count=lines)
        async with platform.database.acquire() as connection:
            forgotten = await rows.forget_runs(connection, due)
        if not forgotten:
            # All of them have just become needed.
            return
        yield Removed(kind=Kind.RUNS, count=len(forgotten))


async def _deployments(platform: Platform, *, is_dry: bool) -> AsyncGenerator[Removed]:
    life = platform.settings.unused_retention
    if is_dry:
        count = await rows.count(platform.database, "deployments", life)
        yield Removed(kind=Kind.DEPLOYMENTS, count=count)
        return
    while forgotten := await _forget_deployments(platform, life):
        yield Removed(kind=Kind.DEPLOYMENTS, count=len(forgotten))
        for sha256 in set(forgotten):
            if await orphans.drop_bundle(platform, sha256, rows.is_bundle_wanted):
                yield Removed(kind=Kind.BUNDLES, count=1)


async def _forget_deployments(platform: Platform, life: timedelta) -> list[str]:
    async with platform.database.acquire() as connection:
        return await rows.forget_deployments(connection, life, _ROWS)


def _rows(kind: Kind, what: str, life: Callable[[Platform], timedelta | None]) -> Step:
    """A step that removes rows which have no blobs."""

    async def step(platform: Platform, *, is_dry: bool) -> AsyncGenerator[Removed]:
        old = life(platform)
        if old == _NEVER:
            return
        arguments = () if old is None else (old,)
        if is_dry:
            yield Removed(kind=kind, count=await rows.count(platform.database, what, *arguments))
            return
        while forgotten := await rows.forget(platform.database, what, *arguments, _ROWS):
            yield Removed(kind=kind, count=forgotten)

    return step


async def _queue_log(platform: Platform, *, is_dry: bool) -> AsyncGenerator[Removed]:
    if is_dry:
        count = await engine.count_log(platform.database, _QUEUE_LOG_LIFE)
        yield Removed(kind=Kind.QUEUE_LOG, count=count)
        return
    while forgotten := await engine.forget_log(platform.database, _QUEUE_LOG_LIFE, _LOG_LINES):
        yield Removed(kind=Kind.QUEUE_LOG, count=forgotten)


_STEPS: tuple[Step, ...] = (
    _files,
    _runs,
    _rows(Kind.NOTIFICATIONS, "notifications", lambda platform: platform.settings.run_retention),
    _rows(Kind.JOB_RUNS, "job_runs", lambda platform: platform.settings.run_retention),
    _deployments,
    _rows(Kind.AUTH_SESSIONS, "sessions", lambda _: None),
    _rows(Kind.WEBHOOK_SECRETS, "secrets", lambda _: None),
    _queue_log,
    orphans.remove,
)
