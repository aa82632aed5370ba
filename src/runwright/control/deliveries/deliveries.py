"""Deliveries: accepts them for ended Runs, lists and resends them; and keeps webhooks' signing secrets."""

from __future__ import annotations

import base64
import json
import os
from datetime import datetime, timedelta
from typing import Any

from runwright.adapters import signals
from runwright.adapters.blobs import s3
from runwright.adapters.queue import engine
from runwright.control.base import cursors
from runwright.control.base.platform import Platform
from runwright.control.deliveries import sealed_sinks
from runwright.control.deliveries.sealed_sinks import Owner
from runwright.domain import retry
from runwright.domain.deliveries.buckets import S3Sink
from runwright.domain.deliveries.deliveries import Delivery, DeliveryStatus, Try
from runwright.domain.deliveries.sink_fields import SinkKind
from runwright.domain.deliveries.sinks import Sink
from runwright.domain.deliveries.webhooks import WebhookSink
from runwright.domain.ids import DeliveryId, ProjectId, RunId, new_delivery_id
from runwright.domain.retry import DONE, FollowUp, LookAgain
from runwright.domain.runs import Run, RunStatus
from runwright.domain.text.fields import InvalidFields
from runwright.errors import NotFound, Problem, ValidationError
from runwright.storage import (
    database,
    deliveries as rows,
    job_runs as job_run_rows,
    projects as project_rows,
    runs as run_rows,
)
from runwright.storage.deliveries import DeliveryRow, NewDelivery
from runwright.storage.runs import RunRow

_SECRET_BYTES = 24
_SECRET_PREFIX = "whsec_"  # noqa: S105 - the public prefix of every such secret
_ROTATION = timedelta(hours=24)
_SWEEP_LIMIT = 10_000


def queue_name(project_id: ProjectId) -> str:
    """The name of the queue of a project's Deliveries."""
    return f"delivery:{project_id}"


def entry(project_id: ProjectId, delivery_id: str, fence: int = 0) -> engine.Entry:
    """The queue entry of a Delivery; its key is different each time the Delivery is resent."""
    return engine.Entry(queue=queue_name(project_id), id=delivery_id, key=f"{delivery_id}.{fence}")


async def check_sink(sink: Sink | None, path: str) -> None:
    """Reject a Sink that nothing can be delivered to, before anything has to be.

    Raises:
        ValidationError: it is a bucket that boto3 could not make a request for; names the field below `path`.
    """
    if not isinstance(sink, S3Sink):
        return
    try:
        await s3.check(sink)
    except InvalidFields as error:
        raise ValidationError(error.below(path).problems) from error


async def accept(
    platform: Platform,
    connection: Any,
    run: Run,
    sink: Sink,
    *,
    job_run_id: str | None = None,
) -> None:
    """Accept a Delivery for a Run that ends in this transaction, if the Sink wants it."""
    if sink.wants(run.api, is_completed=run.status is RunStatus.COMPLETED):
        await _accept(platform, connection, run.project_id, sink, (run.id, job_run_id, None))


async def accept_notification(
    platform: Platform,
    connection: Any,
    project_id: ProjectId,
    job_run_id: str | None,
    sink: Sink,
    body: str,
) -> None:
    """Accept a Delivery with a body of its own, about a JobRun if one is given."""
    await _accept(platform, connection, project_id, sink, (None, job_run_id, body))


async def get(
    platform: Platform, project_id: ProjectId, delivery_id: str
) -> tuple[Delivery, list[Try]]:
    """A Delivery and its tries.

    Raises:
        NotFound: the project has no such Delivery.
    """
    row = await _row(platform, project_id, delivery_id)
    return row.delivery, await rows.tries(platform.database, row.delivery.id)


async def list_page(  # noqa: PLR0913 - the filters
    platform: Platform,
    project_id: ProjectId,
    *,
    run_id: str | None,
    job_run_id: str | None,
    status: DeliveryStatus | None,
    cursor: str | None,
    limit: int,
) -> tuple[list[Delivery], str | None]:
    """Up to `limit` Deliveries, newest first, and the cursor of the next page if there is one."""
    if "\0" in f"{run_id}{job_run_id}":
        return [], None
    found = await rows.page(
        platform.database,
        project_id,
        run_id=run_id,
        job_run_id=job_run_id,
        status=status,
        before=None if cursor is None else cursors.read(cursor),
        limit=limit + 1,
    )
    shown = found[:limit]
    is_more = len(found) > limit
    return shown, cursors.write(shown[-1].created_at, shown[-1].id) if is_more else None


async def send_again(
    platform: Platform, project_id: ProjectId, delivery_id: str, url: str | None
) -> Delivery:
    """Send a Delivery again, with the same ID; to another URL if one is given.

    Raises:
        NotFound: the project has no such Delivery.
        ValidationError: the URL is invalid, or the Delivery goes to a bucket.
    """
    row = await _row(platform, project_id, delivery_id)
    sealed, target = None, None
    if url is not None:
        sink = _elsewhere(open_sink(platform, row), url)
        sealed, target = (
            sealed_sinks.seal(platform, Owner.DELIVERY, row.delivery.id, sink),
            sink.target,
        )
    async with platform.database.acquire() as connection, database.transaction(connection):
        renewed = await rows.renew(connection, row.delivery.id, sealed, target)
        if renewed is None:
            raise _not_found(delivery_id)
        await engine.enqueue(connection, entry(project_id, row.delivery.id, renewed.fence))
        await signals.send(connection, "deliveries")
    return renewed.delivery


async def begin_try(platform: Platform, delivery_id: str) -> DeliveryRow | None:
    """Begin a try of a pending Delivery; None when the Delivery is over."""
    return await rows.begin_try(platform.database, delivery_id)


async def end_try(
    platform: Platform,
    row: DeliveryRow,
    found: Try,
    *,
    asked: timedelta | None = None,
    is_gone: bool = False,
) -> FollowUp:
    """Record the result of a try; Done when the Delivery is over.

    `asked` is the delay that the receiver asks for; `is_gone` means that it wants no more tries.
    """
    if found.error is None:
        await rows.end_try(platform.database, row, found, DeliveryStatus.DELIVERED, None)
        return DONE
    settings = platform.settings
    windows = {SinkKind.WEBHOOK: settings.webhook_window, SinkKind.S3: settings.s3_window}
    # Use the clock that recorded the first try.
    now = await database.now(platform.database)
    delay = retry.delivery_delay(
        first_try_at=row.first_try_at or now,
        failures=row.failures + 1,
        now=now,
        window=windows[row.delivery.kind],
        asked=asked,
    )
    if is_gone:
        delay = None
    status = DeliveryStatus.EXHAUSTED if delay is None else DeliveryStatus.PENDING
    next_try_at = None if delay is None else now + delay
    kept = await rows.end_try(platform.database, row, found, status, next_try_at)
    return DONE if kept is None else LookAgain(kept - now)


async def body(platform: Platform, row: DeliveryRow) -> str:
    """The body to deliver, as JSON text.

    Raises:
        NotFound: the Run is no longer stored.
    """
    if row.body is not None:
        return row.body
    run_id = row.delivery.run_id
    run_row = None if run_id is None else await run_rows.get(platform.database, run_id)
    if run_row is None:
        raise NotFound("The run is no longer kept.")
    run = run_row.run
    name = await project_rows.name_of(platform.database, run.project_id)
    outer: dict[str, Any] = {
        "workspaceId": str(run.workspace_id),
        "project": {"id": str(run.project_id), "name": name},
    }
    if run.auth_session_id is not None:
        outer["authSession"] = {"id": run.auth_session_id}
    if (job := await job_of(platform, row)) is not None:
        outer |= {"projectJob": {"id": job[0]}, "projectJobRun": {"id": job[1]}}
    return f'{json.dumps(outer)[:-1]}, "apiInfo": {api_info(run_row)}}}'


def api_info(row: RunRow) -> str:
    """What receivers get about an ended Run, as JSON text."""
    run = row.run
    info = {"name": run.api, "parameters": json.loads(row.parameters), "runId": run.id}
    # Insert the result exactly as stored: reserializing could change how numbers are written.
    return f'{json.dumps(info)[:-1]}, "result": {_outcome(run)}}}'


async def job_of(platform: Platform, row: DeliveryRow) -> tuple[str, str] | None:
    """The IDs of the Job and JobRun that a Delivery belongs to, if any."""
    job_run_id = row.delivery.job_run_id
    job_run = None if job_run_id is None else await job_run_rows.find(platform.database, job_run_id)
    return None if job_run is None else (job_run.job_run.job_id, job_run.job_run.id)


async def project_name(platform: Platform, project_id: ProjectId) -> str:
    """The name of a Delivery's project, or its ID if the name is unknown."""
    return await project_rows.name_of(platform.database, project_id) or str(project_id)


def open_sink(platform: Platform, row: DeliveryRow) -> Sink:
    """The Sink of a Delivery, with its secrets."""
    return sealed_sinks.unseal(platform, Owner.DELIVERY, row.delivery.id, row.sealed_sink)


async def signing_secrets(platform: Platform, project_id: ProjectId) -> list[str]:
    """The project's current webhook signing secrets, newest first; creates one if there is none."""
    found = await rows.secrets(platform.database, project_id)
    if not any(row.valid_until is None for row in found):
        await _new_secret(platform, platform.database, project_id)
        found = await rows.secrets(platform.database, project_id)
    return [
        platform.vault.open(row.sealed_secret, record=f"webhook-secret:{row.id}").decode()
        for row in found
    ]


async def rotate_secret(platform: Platform, project_id: ProjectId) -> str:
    """Create a new webhook signing secret; webhooks are signed with the previous one too for a day."""
    async with platform.database.acquire() as connection, database.transaction(connection):
        await project_rows.lock(connection, project_id)
        await rows.retire_secrets(connection, project_id, _ROTATION)
        return await _new_secret(platform, connection, project_id)


async def requeue_lost(
    platform: Platform, after: tuple[datetime, str] | None
) -> tuple[list[DeliveryId], tuple[datetime, str] | None]:
    """Queue pending Deliveries whose queue entry is missing, among a batch that follows the given Delivery.

    Return those Deliveries and where to continue, None at the end.
    """
    async with platform.database.acquire() as connection, database.transaction(connection):
        found = await rows.unfinished(connection, after, _SWEEP_LIMIT)
        unfinished = {
            delivery_id: (project_id, fence) for delivery_id, project_id, fence, _ in found
        }
        lost = await engine.without_entry(connection, list(unfinished))
        await engine.enqueue(
            connection,
            *(entry(*_place(DeliveryId(each), unfinished)) for each in lost),
        )
        is_more = len(found) == _SWEEP_LIMIT
        following = (found[-1][3], found[-1][0]) if is_more else None
        return [DeliveryId(each) for each in lost], following


def _place(
    delivery_id: DeliveryId, known: dict[DeliveryId, tuple[ProjectId, int]]
) -> tuple[ProjectId, str, int]:
    project_id, fence = known[delivery_id]
    return project_id, delivery_id, fence


async def _accept(
    platform: Platform,
    connection: Any,
    project_id: ProjectId,
    sink: Sink,
    what: tuple[RunId | None, str | None, str | None],
) -> None:
    """Store a Delivery, for a Run or with a body of its own, and queue it."""
    run_id, job_run_id, body = what
    delivery_id = new_delivery_id()
    new = NewDelivery(
        id=delivery_id,
        project_id=project_id,
        run_id=run_id,
        job_run_id=job_run_id,
        kind=sink.kind,
        target=sink.target,
        sealed_sink=sealed_sinks.seal(platform, Owner.DELIVERY, delivery_id, sink),
        body=body,
    )
    await rows.insert(connection, new)
    await engine.enqueue(connection, entry(project_id, delivery_id))
    await signals.send(connection, "deliveries")


async def _new_secret(platform: Platform, connection: Any, project_id: ProjectId) -> str:
    secret_id = new_delivery_id()
    secret = _SECRET_PREFIX + base64.b64encode(os.urandom(_SECRET_BYTES)).decode()
    sealed = platform.vault.seal(secret.encode(), record=f"webhook-secret:{secret_id}")
    await rows.add_secret(connection, secret_id, project_id, sealed)
    return secret


def _outcome(run: Run) -> str:
    if run.status is RunStatus.COMPLETED:
        return f'{{"status": "completed", "result": {run.result}, "statusCode": 200}}'
    error, message = "unexpected", ""
    if run.failure is not None:
        error, message = run.failure.code.value, run.failure.message
    elif run.cancellation is not None:
        error, message = run.cancellation.reason.value, run.cancellation.message
    return json.dumps({"status": "failed", "error": error, "message": message, "statusCode": 500})


def _elsewhere(sink: Sink, url: str) -> Sink:
    """The Sink with another URL."""
    if not isinstance(sink, WebhookSink):
        message = "is given, and this delivery goes to a bucket"
        raise ValidationError([Problem(path="url", message=message)])
    try:
        return sink.elsewhere(url)
    except ValueError as error:
        raise ValidationError([Problem(path="url", message=str(error))]) from error


async def _row(platform: Platform, project_id: ProjectId, delivery_id: str) -> DeliveryRow:
    row = None if "\0" in delivery_id else await rows.get(platform.database, delivery_id)
    if row is None or row.delivery.project_id != project_id:
        raise _not_found(delivery_id)
    return row


def _not_found(delivery_id: str) -> NotFound:
    return NotFound(f"There is no delivery `{delivery_id[:64]}` here.")
