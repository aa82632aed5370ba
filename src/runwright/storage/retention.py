"""Old rows to prune: one function per query of `sql/retention.sql`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from runwright.domain.ids import DeploymentId
from runwright.domain.retention import Kind, PastPruning, Pruning, Removed, total
from runwright.storage.database import queries

_SQL = queries("retention")
_PRUNE_LOCK = 7_240_120


@dataclass(frozen=True, kw_only=True, slots=True)
class ForgottenFile:
    """A file whose row is deleted and whose blob is to be deleted next."""

    blob: str
    size_bytes: int


async def due_files(connection: Any, older_than: timedelta) -> tuple[int, int]:
    """The number and total bytes of Runs' files older than that."""
    row = await connection.fetchrow(_SQL["due_files"], older_than)
    return row["count"], row["size_bytes"]


async def forget_due_files(
    connection: Any, older_than: timedelta, limit: int
) -> list[ForgottenFile]:
    """Delete the rows of a batch of older files."""
    return _files(await connection.fetch(_SQL["forget_due_files"], older_than, limit))


async def forget_oldest_files(connection: Any, size_bytes: int, limit: int) -> list[ForgottenFile]:
    """Delete the rows of ended Runs' oldest files, until `size_bytes` are reached."""
    return _files(await connection.fetch(_SQL["forget_oldest_files"], size_bytes, limit))


async def due_runs(connection: Any, older_than: timedelta, limit: int) -> list[str]:
    """Runs that ended longer ago than that and that nothing waits for, oldest first."""
    return [row["id"] for row in await connection.fetch(_SQL["due_runs"], older_than, limit)]


async def with_parts(connection: Any, run_ids: Sequence[str]) -> list[str]:
    """The Runs together with their checks and creates."""
    return [row["id"] for row in await connection.fetch(_SQL["with_parts"], run_ids)]


async def forget_files_of(connection: Any, run_ids: Sequence[str]) -> list[ForgottenFile]:
    """Delete the rows of all files of the Runs."""
    return _files(await connection.fetch(_SQL["forget_files_of"], run_ids))


async def count_log_lines_of(connection: Any, run_ids: Sequence[str]) -> int:
    """The number of log lines of the Runs."""
    return await connection.fetchval(_SQL["count_log_lines_of"], run_ids)


async def forget_log_lines_of(connection: Any, run_ids: Sequence[str], limit: int) -> int:
    """Delete a batch of the Runs' log lines; return how many were deleted."""
    return len(await connection.fetch(_SQL["forget_log_lines_of"], run_ids, limit))


async def forget_runs(connection: Any, run_ids: Sequence[str]) -> list[str]:
    """Delete those of the Runs that nothing waits for, in one transaction; return their ids."""
    async with connection.transaction():
        await connection.fetch(_SQL["lock_deliveries_of"], run_ids)
        return [row["id"] for row in await connection.fetch(_SQL["forget_runs"], run_ids)]


async def count(connection: Any, what: str, *arguments: object) -> int:
    """The number of rows due: `notifications`, `job_runs`, `deployments`, `sessions`, `secrets`."""
    return await connection.fetchval(_SQL[f"due_{what}"], *arguments)


async def forget(connection: Any, what: str, *arguments: object) -> int:
    """Delete a batch of due rows; return how many were deleted."""
    return len(await connection.fetch(_SQL[f"forget_{what}"], *arguments))


async def forget_deployments(connection: Any, older_than: timedelta, limit: int) -> list[str]:
    """Delete a batch of unneeded Deployments, in one transaction; return the Bundle of each."""
    async with connection.transaction():
        due = await lock_due_deployments(connection, older_than, limit)
        return await forget_locked_deployments(connection, due)


async def lock_due_deployments(
    connection: Any, older_than: timedelta, limit: int
) -> list[DeploymentId]:
    """Lock a batch of unneeded Deployments until the transaction ends; return their ids."""
    rows = await connection.fetch(_SQL["lock_due_deployments"], older_than, limit)
    return [DeploymentId(row["id"]) for row in rows]


async def forget_locked_deployments(
    connection: Any, deployment_ids: Sequence[DeploymentId]
) -> list[str]:
    """Delete the locked Deployments that are still unneeded; return the Bundle of each."""
    rows = await connection.fetch(_SQL["forget_locked_deployments"], deployment_ids)
    return [row["bundle_sha256"] for row in rows]


async def lock_bundle(connection: Any, sha256: str) -> bool:
    """Lock a Bundle for removal until the transaction ends; False while it is being deployed."""
    return await connection.fetchval(_SQL["lock_bundle"], sha256)


async def share_bundle(connection: Any, sha256: str) -> None:
    """Keep a Bundle from being removed until the transaction ends."""
    await connection.execute(_SQL["share_bundle"], sha256)


async def is_bundle_wanted(connection: Any, sha256: str) -> bool:
    """True when any Deployment has the Bundle."""
    return await connection.fetchval(_SQL["is_bundle_wanted"], sha256)


async def is_bundle_needed(connection: Any, sha256: str) -> bool:
    """True when a Deployment that is current, unfinished or has an unfinished Run has the Bundle."""
    return await connection.fetchval(_SQL["is_bundle_needed"], sha256)


async def oldest_bundles(connection: Any, limit: int) -> list[str]:
    """Bundles, in order of their latest deployment, oldest first."""
    rows = await connection.fetch(_SQL["oldest_bundles"], limit)
    return [row["bundle_sha256"] for row in rows]


async def known_blobs(connection: Any, blobs: Sequence[str]) -> set[str]:
    """Those of the blobs that a file refers to."""
    return {row["blob"] for row in await connection.fetch(_SQL["known_blobs"], blobs)}


async def known_bundles(connection: Any, bundles: Sequence[str]) -> set[str]:
    """Those of the Bundles that a Deployment refers to."""
    rows = await connection.fetch(_SQL["known_bundles"], bundles)
    return {row["bundle_sha256"] for row in rows}


async def try_lock(connection: Any) -> bool:
    """Take the pruning lock on this connection; False when another holds it."""
    return await connection.fetchval(_SQL["lock"], _PRUNE_LOCK)


async def lock(connection: Any) -> None:
    """Wait for the pruning lock, and hold it until this connection closes."""
    await connection.execute(_SQL["wait_for_lock"], _PRUNE_LOCK)


async def unlock(connection: Any) -> None:
    """Release the pruning lock."""
    await connection.execute(_SQL["unlock"], _PRUNE_LOCK)


async def note(
    connection: Any,
    started_at: datetime,
    removed: Mapping[str, Mapping[str, int]],
    *,
    is_complete: bool,
) -> None:
    """Record what a pruning has removed."""
    await connection.execute(_SQL["note"], started_at, is_complete, json.dumps(removed))


async def last_complete(connection: Any) -> datetime | None:
    """When the last completed pruning began."""
    return await connection.fetchval(_SQL["last_complete"])


async def last(connection: Any) -> PastPruning | None:
    """What the last pruning removed."""
    row = await connection.fetchrow(_SQL["last"])
    if row is None:
        return None
    told: dict[str, dict[str, int]] = json.loads(row["removed"])
    removed = [
        Removed(kind=kind, count=told[kind]["count"], size_bytes=told[kind]["bytes"])
        for kind in Kind
        if kind in told
    ]
    done = Pruning(removed=total(removed), is_dry=False, is_complete=row["is_complete"])
    return PastPruning(started_at=row["started_at"], ended_at=row["ended_at"], pruning=done)


def _files(rows: list[Any]) -> list[ForgottenFile]:
    return [ForgottenFile(blob=row["blob"], size_bytes=row["size_bytes"]) for row in rows]
