"""The items of a JobRun: queued in order and counted as they end; each end queues the next.

Everything happens in the transaction that made the change, under the JobRun's lock. Lock order: the JobRun,
its Job, the session, Runs.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from runwright.adapters import signals
from runwright.adapters.queue import engine
from runwright.control.base import queues
from runwright.control.base.platform import Platform
from runwright.control.deliveries import deliveries, notifications
from runwright.domain.deliveries import webhooks
from runwright.domain.deliveries.deliveries import NotificationKind
from runwright.domain.deliveries.webhooks import WebhookSink
from runwright.domain.ids import ProjectId, RunId, new_run_id
from runwright.domain.jobs import job_text, jobs as domain
from runwright.domain.jobs.jobs import (
    End,
    Feed,
    JobRunReason,
    JobRunStatus,
    JobSecrets,
    Pause,
    Payload,
    Standing,
)
from runwright.domain.runs import Cancellation, ExtendedPayload, RunStatus
from runwright.errors import CancelReason
from runwright.storage import database, items as rows, job_runs as job_run_rows, jobs as job_rows
from runwright.storage.items import NewItem
from runwright.storage.job_runs import JobRunRow, Reason
from runwright.storage.runs import RunRow

_ADDED_AT_ONCE = 1000
_CANCELED_AT_ONCE = 200


async def lock(connection: Any, job_run_id: str | None) -> JobRunRow | None:
    """Lock the JobRun that a Run is an item of, if any, until the transaction ends."""
    return None if job_run_id is None else await job_run_rows.lock(connection, job_run_id)


async def add(
    platform: Platform,
    connection: Any,
    job_run: JobRunRow,
    payload: Sequence[tuple[RunId, Payload]],
) -> None:
    """Append items to a locked JobRun, held back until it queues them."""
    configuration = job_run.job_run.configuration
    proxy = secrets_of(platform, job_run).proxy
    assert configuration.request_timeout is not None
    assert configuration.maximum_attempts is not None
    for begin in range(0, len(payload), _ADDED_AT_ONCE):
        chunk = [
            NewItem(
                id=run_id,
                api=item.api,
                parameters=item.parameters,
                sealed_proxy=None
                if proxy is None
                else platform.vault.seal(proxy.encode(), record=f"run:{run_id}"),
                request_timeout=item.request_timeout or configuration.request_timeout,
                maximum_attempts=item.maximum_attempts or configuration.maximum_attempts,
            )
            for run_id, item in payload[begin : begin + _ADDED_AT_ONCE]
        ]
        await rows.add(connection, job_run.job_run.id, chunk, job_run.job_run.session)


def extend(
    job_run: JobRunRow | None, payloads: tuple[ExtendedPayload, ...]
) -> tuple[ExtendedPayload, ...]:
    """The work that an item added, with its IDs as items of the same JobRun."""
    if job_run is None or not job_run.job_run.status.is_active:
        return payloads
    return tuple(
        ExtendedPayload(api=each.api, parameters=each.parameters, run_id=new_run_id())
        for each in payloads
    )


async def follow(platform: Platform, connection: Any, job_run: JobRunRow, item: RunRow) -> None:
    """Apply the consequences of an item's end to its locked JobRun."""
    extended = [
        (each.run_id, Payload(api=each.api, parameters=each.parameters))
        for each in item.run.extended_payloads
        if each.run_id is not None
    ]
    if extended and item.run.status is RunStatus.COMPLETED:
        await add(platform, connection, job_run, extended)
    await _deliver(platform, connection, job_run, item)
    await job_run_rows.touch(connection, job_run.job_run.id)
    if job_run.job_run.status.is_active:
        await advance(platform, connection, job_run)
    else:
        await _settle(connection, job_run)


async def advance(platform: Platform, connection: Any, job_run: JobRunRow) -> None:
    """Take the next step of a locked JobRun."""
    run = job_run.job_run
    if not run.status.is_active:
        await _clear(platform, connection, job_run)
        return
    if not job_run.is_session_good:
        return
    limit = run.configuration.max_concurrent
    active, held, begun = await rows.standing(
        connection,
        run.id,
        at_most=domain.room_for(limit),
        counts_begun=run.configuration.max_runs is not None,
    )
    step = domain.next_step(
        Standing(
            status=run.status,
            max_concurrent=limit,
            max_runs=run.configuration.max_runs,
            held=held,
            active=active,
            begun=begun,
        )
    )
    match step:
        case Feed(count=count):
            fed = await _feed(connection, run.project_id, run.id, count)
            await engine.enqueue(connection, *fed)
        case Pause() if run.status is JobRunStatus.PAUSING:
            paused = await job_run_rows.stand(
                connection, run.id, JobRunStatus.PAUSED, reason=_reason_of(job_run)
            )
            await notify(platform, connection, paused, NotificationKind.JOB_RUN_PAUSED)
        case End():
            counted = await job_run_rows.get(connection, run.id)
            assert counted is not None
            ended = domain.ended_status(counted.job_run.counts)
            await end(platform, connection, run.id, ended)
        case _:
            pass


async def feed_first(
    platform: Platform, connection: Any, job_run: JobRunRow, count: int
) -> list[engine.Entry]:
    """Give the first of `count` items of a new JobRun their turns; return their queue entries."""
    run = job_run.job_run
    step = domain.next_step(
        Standing(
            status=run.status,
            max_concurrent=run.configuration.max_concurrent,
            max_runs=run.configuration.max_runs,
            held=count,
            active=0,
            begun=0,
        )
    )
    if isinstance(step, Feed):
        return await _feed(connection, run.project_id, run.id, step.count)
    await advance(platform, connection, job_run)
    return []


async def end(
    platform: Platform,
    connection: Any,
    job_run_id: str,
    status: JobRunStatus,
    reason: Reason | None = None,
) -> None:
    """End a locked JobRun, and cancel its items that have not begun."""
    ended = await job_run_rows.end(connection, job_run_id, status, reason)
    if ended is not None:
        await notify(platform, connection, ended, NotificationKind.JOB_RUN_ENDED)
        await _clear(platform, connection, ended)


async def pause(platform: Platform, connection: Any, job_run: JobRunRow, reason: Reason) -> None:
    """Pause a locked, active JobRun and its Job: items in progress continue, no others begin."""
    run = job_run.job_run
    await job_rows.pause(connection, run.project_id, run.job_id, reason.message)
    if run.status is JobRunStatus.PAUSED:
        return
    await engine.remove(connection, await rows.unfeed(connection, run.id))
    pausing = await job_run_rows.stand(
        connection,
        run.id,
        JobRunStatus.PAUSING,
        reason=reason,
        is_session_good=job_run.is_session_good,
    )
    if pausing is not None and not job_run.is_session_good:
        # It has not begun or resumed yet: there is nothing to wait for.
        paused = await job_run_rows.stand(
            connection, run.id, JobRunStatus.PAUSED, reason=reason, is_session_good=False
        )
        await notify(platform, connection, paused, NotificationKind.JOB_RUN_PAUSED)
    elif pausing is not None:
        await advance(platform, connection, pausing)


async def pause_for_session(
    platform: Platform, connection: Any, job_run: JobRunRow, cancellation: Cancellation
) -> None:
    """Pause a locked JobRun whose session is no longer valid; the item that found out is held back."""
    message = (
        f"The auth session `{job_run.auth_session_id}` is no longer good: {cancellation.message} "
        "Repair the session, then resume the job."
    )
    reason = Reason(
        type=JobRunReason.SESSION_INVALID_MID_JOB, message=message, details=cancellation.details
    )
    await pause(platform, connection, job_run, reason)


async def notify(
    platform: Platform, connection: Any, job_run: JobRunRow | None, kind: NotificationKind
) -> None:
    """Notify each subscriber of a JobRun by a Delivery of its own."""
    if job_run is None or not (wanted := told(platform, job_run)):
        return
    counted = await job_run_rows.get(connection, job_run.job_run.id)
    assert counted is not None
    at = await database.now(connection)
    run = opened(platform, counted)
    await notifications.of_job_run(platform, connection, run, kind, at, wanted)


async def told_of(platform: Platform, connection: Any, job_run_id: str | None) -> list[WebhookSink]:
    """The webhooks to notify of a JobRun's Runs; empty when the JobRun does not exist."""
    if job_run_id is None:
        return []
    job_run = await job_run_rows.find(connection, job_run_id)
    return [] if job_run is None else told(platform, job_run)


def told(platform: Platform, job_run: JobRunRow) -> list[WebhookSink]:
    """The subscribers of a JobRun and its Runs."""
    return [webhooks.as_sink(each) for each in secrets_of(platform, job_run).notifications]


def opened(platform: Platform, job_run: JobRunRow) -> domain.JobRun:
    """The JobRun with its secrets."""
    return dataclasses.replace(job_run.job_run, secrets=secrets_of(platform, job_run))


def secrets_of(platform: Platform, job_run: JobRunRow) -> JobSecrets:
    """The sealed part of a JobRun, opened."""
    record = f"job-run:{job_run.job_run.id}"
    return job_text.parse_secrets(
        json.loads(platform.vault.open(job_run.sealed_secrets, record=record))
    )


def cancellation_for(job_run: JobRunRow | None, asked: Cancellation) -> Cancellation:
    """The reason an item is canceled: the given one, unless its JobRun was terminated."""
    if job_run is None or job_run.job_run.status.is_active:
        return asked
    return _not_begun(job_run)


async def _feed(
    connection: Any, project_id: ProjectId, job_run_id: str, count: int
) -> list[engine.Entry]:
    fed = await rows.feed(connection, job_run_id, count)
    return [queues.entry(project_id, run_id, turn) for run_id, turn in fed]


async def _clear(platform: Platform, connection: Any, job_run: JobRunRow) -> None:
    """Cancel the held items of a JobRun that has ended, in batches that keep each transaction short."""
    canceled = await rows.cancel_held(
        connection, job_run.job_run.id, _not_begun(job_run), _CANCELED_AT_ONCE
    )
    for item in canceled:
        await signals.send(connection, f"run:{item.run.id}")
    await _deliver(platform, connection, job_run, *canceled)
    if len(canceled) == _CANCELED_AT_ONCE:
        await engine.enqueue(connection, queues.job_run_entry(job_run.job_run.id))
    else:
        await _settle(connection, job_run)


async def _settle(connection: Any, job_run: JobRunRow) -> None:
    """Store the final counts of an ended JobRun once its last item has ended."""
    active, held, _ = await rows.standing(
        connection, job_run.job_run.id, at_most=1, counts_begun=False
    )
    if not active and not held:
        await job_run_rows.keep_counts(connection, job_run.job_run.id)


async def _deliver(platform: Platform, connection: Any, job_run: JobRunRow, *items: RunRow) -> None:
    sink = secrets_of(platform, job_run).sink if items else None
    if sink is None:
        return
    for item in items:
        await deliveries.accept(platform, connection, item.run, sink, job_run_id=job_run.job_run.id)


def _not_begun(job_run: JobRunRow) -> Cancellation:
    run = job_run.job_run
    if run.status is JobRunStatus.CANCELED:
        message = f"The job run never began: {run.message}"
        return Cancellation(reason=CancelReason.FAILED_TO_INITIALIZE_JOB_RUN, message=message)
    message = "The job run was terminated."
    if run.status is not JobRunStatus.TERMINATED:
        message = f"The job run ended after its `maxRuns` of {run.configuration.max_runs}."
    return Cancellation(reason=CancelReason.JOB_RUN_TERMINATED, message=message)


def _reason_of(job_run: JobRunRow) -> Reason | None:
    run = job_run.job_run
    if run.reason is None:
        return None
    return Reason(type=run.reason, message=run.message or "", details=run.details)
