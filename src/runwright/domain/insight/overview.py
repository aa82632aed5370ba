"""What the dashboard's pages show, over time and at present. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from runwright.domain.ids import ProjectId, RunId
from runwright.domain.insight.diagnostics import Finding, State
from runwright.domain.runs import RunStatus

DURATION_STEPS = 100
"""The number of classes in which durations are counted, each about 20% longer than the last; stored in rows too."""
SHORTEST, LONGEST = 0.001, 86_400.0
DURATION_RATIO = math.log(LONGEST / SHORTEST) / DURATION_STEPS
_VARIABLE = re.compile(
    r"0x[0-9a-f]+|\b[0-9a-f]{8,}\b|\d+(\.\d+)*|\"[^\"]*\"|'[^']*'", re.IGNORECASE
)
_MAX_MESSAGE = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class RunLine:
    """A Run as shown in a table, without its result and parameters."""

    id: RunId
    project_id: ProjectId
    api: str
    status: RunStatus
    attempt: int
    maximum_attempts: int
    attributes: dict[str, Any]
    message: str | None
    """Why it failed or was canceled."""
    code: str | None
    """The failure's code, or the reason of the cancellation."""
    job_run_id: str | None
    """The JobRun that it is an item of."""
    drift: str | None
    """How its result deviates from the usual."""
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(kw_only=True, slots=True)
class Bucket:
    """What happened to the Runs accepted in one span of time."""

    begins_at: datetime
    counts: dict[RunStatus, int] = field(default_factory=dict[RunStatus, int])
    durations: dict[int, int] = field(default_factory=dict[int, int])
    """The number of ended Runs by class of duration."""

    @property
    def total(self) -> int:
        """The number of accepted Runs."""
        return sum(self.counts.values())

    @property
    def success_rate(self) -> float | None:
        """Completed Runs as a share of those that completed or failed; None if there are none."""
        completed = self.counts.get(RunStatus.COMPLETED, 0)
        judged = completed + self.counts.get(RunStatus.FAILED, 0)
        return completed / judged if judged else None


@dataclass(frozen=True, kw_only=True, slots=True)
class FailureGroup:
    """Failures of one Api with what looks like the same cause."""

    project: str
    api: str
    code: str
    message: str
    """The message of the newest failure."""
    count: int
    newest: RunId
    newest_at: datetime
    oldest_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class FailedRun:
    """What grouping needs to know about a failed Run."""

    id: RunId
    project: str
    api: str
    code: str
    message: str
    ended_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class LastJobRun:
    """The newest JobRun of a Job, as shown in a list."""

    id: str
    status: str
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """The progress of a JobRun's items."""

    waiting: int
    started: int
    completed: int
    failed: int
    canceled: int
    first_at: datetime | None
    """When the first item started."""
    ended_lately: int
    """Within the last minute."""

    @property
    def total(self) -> int:
        """The number of items."""
        return self.waiting + self.started + self.ended

    @property
    def ended(self) -> int:
        """The number of items that have ended."""
        return self.completed + self.failed + self.canceled

    def rate(self, now: datetime) -> float:
        """Items ended per minute: over the last minute, or since the first item if that is more recent."""
        if self.first_at is None:
            return 0.0
        since = max((now - self.first_at).total_seconds() / 60, 1 / 60)
        return float(self.ended_lately) if since >= 1 else self.ended / since


@dataclass(frozen=True, kw_only=True, slots=True)
class Queue:
    """What is waiting and what is running."""

    waiting: int
    oldest_at: datetime | None
    """When the Run that has waited longest was accepted."""
    started: int


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerSeen:
    """A Worker as last reported."""

    id: str
    host: str
    pid: int
    slots: int
    busy: int
    """Runs in progress on it."""
    started_at: datetime
    heartbeat_at: datetime
    is_silent: bool
    """It no longer sends heartbeats: stopped, cut off, or dead."""
    runners: tuple[RunnerSeen, ...]
    findings: tuple[Finding, ...]
    """Findings about its machine."""
    examined_at: datetime | None
    is_examination_asked: bool
    """A new examination was requested and has not finished."""

    @property
    def troubles(self) -> tuple[Finding, ...]:
        """The findings other than OK, failures first."""
        found = [each for each in self.findings if each.state is not State.OK]
        return tuple(sorted(found, key=lambda each: each.state is not State.FAILURE))


@dataclass(frozen=True, kw_only=True, slots=True)
class RunnerSeen:
    """A Runner of a Worker."""

    deployment_id: str
    stage: str
    """`starting`, `ready`, `leased` or `recovering`."""


def quantile(durations: dict[int, int], share: float) -> timedelta | None:
    """The duration that this share of Runs did not exceed, accurate to about 10%; None without Runs."""
    total = sum(durations.values())
    if not total:
        return None
    wanted = share * total
    passed = 0
    for step in sorted(durations):
        passed += durations[step]
        if passed >= wanted:
            return timedelta(seconds=SHORTEST * math.exp((step + 0.5) * DURATION_RATIO))
    return None


def merged(buckets: Iterable[Bucket], begins_at: datetime) -> Bucket:
    """All buckets combined into one."""
    found = Bucket(begins_at=begins_at)
    for bucket in buckets:
        for status, count in bucket.counts.items():
            found.counts[status] = found.counts.get(status, 0) + count
        for step, count in bucket.durations.items():
            found.durations[step] = found.durations.get(step, 0) + count
    return found


def group(failures: Sequence[FailedRun]) -> list[FailureGroup]:
    """Group failures, given newest first, by what looks like the same cause; the largest group comes first."""
    groups: dict[tuple[str, str, str, str], list[FailedRun]] = {}
    for each in failures:
        reason = _VARIABLE.sub("…", each.message[:_MAX_MESSAGE])
        groups.setdefault((each.project, each.api, each.code, reason), []).append(each)
    found = [
        FailureGroup(
            project=runs[0].project,
            api=runs[0].api,
            code=runs[0].code,
            message=runs[0].message[:_MAX_MESSAGE],
            count=len(runs),
            newest=runs[0].id,
            newest_at=runs[0].ended_at,
            oldest_at=runs[-1].ended_at,
        )
        for runs in groups.values()
    ]
    return sorted(found, key=lambda each: (-each.count, -each.newest_at.timestamp()))
