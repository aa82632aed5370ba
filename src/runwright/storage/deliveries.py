"""Rows of Deliveries, their tries, and webhook secrets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from runwright.domain.deliveries.deliveries import Delivery, DeliveryStatus, Try
from runwright.domain.deliveries.sink_fields import SinkKind
from runwright.domain.ids import DeliveryId, ProjectId, RunId
from runwright.storage.database import queries

_SQL = queries("deliveries")


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveryRow:
    """A Delivery with the columns that only the platform needs."""

    delivery: Delivery
    sealed_sink: bytes
    body: str | None
    first_try_at: datetime | None
    failures: int
    next_try_at: datetime | None
    fence: int


@dataclass(frozen=True, kw_only=True, slots=True)
class NewDelivery:
    """A Delivery about to be inserted."""

    id: DeliveryId
    project_id: ProjectId
    run_id: RunId | None
    job_run_id: str | None
    kind: SinkKind
    target: str
    sealed_sink: bytes
    body: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SecretRow:
    """A sealed webhook secret."""

    id: str
    sealed_secret: bytes
    valid_until: datetime | None


async def insert(connection: Any, new: NewDelivery) -> None:
    """Insert a Delivery."""
    await connection.execute(
        _SQL["insert"],
        new.id,
        new.project_id,
        new.run_id,
        new.job_run_id,
        new.kind.value,
        new.target,
        new.sealed_sink,
        new.body,
    )


async def get(connection: Any, delivery_id: str) -> DeliveryRow | None:
    """The Delivery with that id."""
    row = await connection.fetchrow(_SQL["get"], delivery_id)
    return None if row is None else _delivery_row(row)


async def begin_try(connection: Any, delivery_id: str) -> DeliveryRow | None:
    """Claim a pending Delivery for one try; None when it has ended or its next try is not due."""
    row = await connection.fetchrow(_SQL["begin_try"], delivery_id)
    return None if row is None else _delivery_row(row)


async def end_try(
    connection: Any,
    row: DeliveryRow,
    found: Try,
    status: DeliveryStatus,
    next_try_at: datetime | None,
) -> datetime | None:
    """Record the outcome of a try and what follows; return when the next try is due, or None.

    Does nothing under an old fence. Safe to repeat when the response was lost.
    """
    return await connection.fetchval(
        _SQL["end_try"],
        row.delivery.id,
        row.fence,
        found.at,
        timedelta(milliseconds=found.duration_ms),
        found.status_code,
        found.answer,
        found.error,
        status.value,
        next_try_at,
    )


async def renew(
    connection: Any, delivery_id: str, sealed_sink: bytes | None, target: str | None
) -> DeliveryRow | None:
    """Start a Delivery over, to another Sink if given."""
    row = await connection.fetchrow(_SQL["renew"], delivery_id, sealed_sink, target)
    return None if row is None else _delivery_row(row)


async def tries(connection: Any, delivery_id: str) -> list[Try]:
    """The tries of a Delivery, in order."""
    return [
        Try(
            number=row["number"],
            at=row["at"],
            duration_ms=row["duration"].total_seconds() * 1000,
            status_code=row["status_code"],
            answer=row["answer"],
            error=row["error"],
        )
        for row in await connection.fetch(_SQL["tries"], delivery_id)
    ]


async def page(  # noqa: PLR0913 - the filters
    connection: Any,
    project_id: ProjectId,
    *,
    run_id: str | None,
    job_run_id: str | None,
    status: DeliveryStatus | None,
    before: tuple[datetime, str] | None,
    limit: int,
) -> list[Delivery]:
    """The Deliveries of a project, newest first."""
    at, delivery_id = before or (None, None)
    rows = await connection.fetch(
        _SQL["page"],
        project_id,
        run_id,
        job_run_id,
        None if status is None else status.value,
        at,
        delivery_id,
        limit,
    )
    return [_delivery_row(row).delivery for row in rows]


async def of_run(connection: Any, run_id: str) -> tuple[Delivery, ...]:
    """The Deliveries of a Run."""
    return tuple(
        _delivery_row(row).delivery for row in await connection.fetch(_SQL["of_run"], run_id)
    )


async def unfinished(
    connection: Any, after: tuple[datetime, str] | None, limit: int
) -> list[tuple[DeliveryId, ProjectId, int, datetime]]:
    """Id, project, fence and time of pending Deliveries, oldest first, following `after`."""
    rows = await connection.fetch(_SQL["unfinished"], *(after or (None, None)), limit)
    return [
        (DeliveryId(row["id"]), ProjectId(row["project_id"]), row["fence"], row["created_at"])
        for row in rows
    ]


async def add_secret(
    connection: Any, secret_id: str, project_id: ProjectId, sealed_secret: bytes
) -> None:
    """Insert a secret that signs the project's webhooks."""
    await connection.execute(_SQL["add_secret"], secret_id, project_id, sealed_secret)


async def secrets(connection: Any, project_id: ProjectId) -> Sequence[SecretRow]:
    """The project's secrets that currently sign, newest first."""
    return [
        SecretRow(id=row["id"], sealed_secret=row["sealed_secret"], valid_until=row["valid_until"])
        for row in await connection.fetch(_SQL["secrets"], project_id)
    ]


async def retire_secrets(connection: Any, project_id: ProjectId, after: timedelta) -> None:
    """Let the project's secrets keep signing for `after`, and no longer."""
    await connection.execute(_SQL["retire_secrets"], project_id, after)


def _delivery_row(row: Any) -> DeliveryRow:
    delivery = Delivery(
        id=DeliveryId(row["id"]),
        project_id=ProjectId(row["project_id"]),
        run_id=None if row["run_id"] is None else RunId(row["run_id"]),
        job_run_id=row["job_run_id"],
        kind=SinkKind(row["kind"]),
        target=row["target"],
        status=DeliveryStatus(row["status"]),
        tries=row["tries"],
        created_at=row["created_at"],
        ended_at=row["ended_at"],
    )
    return DeliveryRow(
        delivery=delivery,
        sealed_sink=row["sealed_sink"],
        body=row["body"],
        first_try_at=row["first_try_at"],
        failures=row["failures"],
        next_try_at=row["next_try_at"],
        fence=row["fence"],
    )
