"""Queries behind the overview: Runs over time, current work, and failures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from runwright.control.base import cursors
from runwright.control.base.platform import Platform
from runwright.domain.ids import ProjectId, WorkspaceId
from runwright.domain.insight import overview as domain
from runwright.domain.insight.overview import (
    Bucket,
    FailureGroup,
    LastJobRun,
    Progress,
    Queue,
    RunLine,
    WorkerSeen,
)
from runwright.domain.projects import Project
from runwright.domain.runs import RunFilter, RunStatus
from runwright.storage import overview as rows
from runwright.storage.overview import ProjectRow

_FAILURES = 200
_ACTIVE = 20


class Window(StrEnum):
    """The period that a chart covers."""

    HOUR = "1h"
    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"


_SPANS = {
    Window.HOUR: (timedelta(minutes=2), 30),
    Window.DAY: (timedelta(hours=1), 24),
    Window.WEEK: (timedelta(hours=6), 28),
    Window.MONTH: (timedelta(days=1), 30),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Course:
    """The Runs of a window, over time."""

    window: Window
    span: timedelta
    """Length of one bucket."""
    buckets: list[Bucket]
    total: Bucket


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectCourse:
    """A project and the Runs of its last day."""

    project: ProjectRow
    counts: dict[RunStatus, int]


async def course(
    platform: Platform, workspace_id: WorkspaceId, window: Window, project: Project | None = None
) -> Course:
    """The Runs of a workspace or project over time."""
    span, spans = _SPANS[window]
    since = _since(window)
    buckets = await rows.series(
        platform.database,
        workspace_id if project is None else project.id,
        is_project=project is not None,
        since=since,
        span=span,
        spans=spans,
    )
    return Course(window=window, span=span, buckets=buckets, total=domain.merged(buckets, since))


async def failures(
    platform: Platform, workspace_id: WorkspaceId, window: Window, project: Project | None = None
) -> list[FailureGroup]:
    """Why Runs failed in the window, in groups; of very many failures, only the newest are read."""
    span, spans = _SPANS[window]
    found = await rows.failed(
        platform.database,
        workspace_id if project is None else project.id,
        is_project=project is not None,
        since=datetime.now(UTC) - span * spans,
        limit=_FAILURES,
    )
    return domain.group(found)


async def queue(
    platform: Platform, workspace_id: WorkspaceId, project_id: ProjectId | None = None
) -> Queue:
    """The waiting Runs and those in progress."""
    return await rows.queue(platform.database, workspace_id, project_id)


async def active(platform: Platform, workspace_id: WorkspaceId) -> list[tuple[str, RunLine]]:
    """The newest Runs in progress, with the names of their projects."""
    return await rows.active(platform.database, workspace_id, _ACTIVE)


async def projects(platform: Platform, workspace_id: WorkspaceId) -> list[ProjectCourse]:
    """The projects of a workspace and the Runs of their last day."""
    found = await rows.projects(platform.database, workspace_id)
    counts = await rows.project_counts(platform.database, workspace_id, _since(Window.DAY))
    return [ProjectCourse(project=each, counts=counts.get(each.id, {})) for each in found]


async def project_names(platform: Platform, workspace_id: WorkspaceId) -> list[str]:
    """The names of a workspace's projects."""
    return await rows.project_names(platform.database, workspace_id)


async def workers(platform: Platform) -> list[WorkerSeen]:
    """Workers heard from within the last hour; silent ones come last."""
    return await rows.workers(platform.database, platform.settings.heartbeat_timeout * 3)


async def operations(platform: Platform, project_id: ProjectId) -> dict[str, RunLine]:
    """The last operation on each session of a project, by the session's id."""
    return await rows.operations(platform.database, project_id)


async def last_job_runs(platform: Platform, project_id: ProjectId) -> dict[str, LastJobRun]:
    """The newest JobRun of each Job of a project, by the Job's id."""
    return await rows.last_job_runs(platform.database, project_id)


async def progress(platform: Platform, job_run_id: str) -> Progress:
    """The progress of a JobRun's items."""
    return await rows.progress(platform.database, job_run_id)


async def items(platform: Platform, job_run_id: str, *, limit: int) -> list[RunLine]:
    """Started items of a JobRun, the most relevant first."""
    return await rows.items(platform.database, job_run_id, limit)


async def delivery_counts(platform: Platform, job_run_id: str) -> dict[str, int]:
    """The number of Deliveries of a JobRun, by status."""
    return await rows.delivery_counts(platform.database, job_run_id)


async def lines(
    platform: Platform,
    project_id: ProjectId,
    chosen: RunFilter,
    *,
    text: str | None,
    cursor: str | None,
    limit: int,
) -> tuple[Sequence[RunLine], str | None]:
    """Up to `limit` Runs for a table, and the cursor of the next page, if any.

    Raises:
        ValidationError: the cursor did not come from this function.
    """
    if "\0" in f"{chosen.api}{chosen.attribute}{text}{chosen.job_id}{chosen.job_run_id}":
        # No Run contains NUL, and PostgreSQL rejects it in a string.
        return [], None
    before = None if cursor is None else cursors.read(cursor)
    found = await rows.lines(
        platform.database, project_id, chosen, text=text, before=before, limit=limit + 1
    )
    page = found[:limit]
    return page, cursors.write(page[-1].created_at, page[-1].id) if len(found) > limit else None


def _since(window: Window) -> datetime:
    """The start of a window that ends now, rounded so that a chart keeps its shape between refreshes."""
    span, spans = _SPANS[window]
    seconds = span.total_seconds()
    now = datetime.now(UTC).timestamp()
    return datetime.fromtimestamp((now // seconds + 1) * seconds, UTC) - span * spans
