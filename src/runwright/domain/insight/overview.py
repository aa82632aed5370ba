"""How things go over time and at present: what the dashboard's pages are made from. Pure."""

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
"""Durations are counted in so many classes, each some 20 % longer than the one before; they stand in rows too."""
SHORTEST, LONGEST = 0.001, 86_400.0
DURATION_RATIO = math.log(LONGEST / SHORTEST) / DURATION_STEPS
_VARIABLE = re.compile(
    r"0x[0-9a-f]+|\b[0-9a-f]{8,}\b|\d+(\.\d+)*|\"[^\"]*\"|'[^']*'", re.IGNORECASE
)
_MAX_MESSAGE = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class RunLine:
    """A Run as a table shows it, without its result and parameters."""

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
    """Of the JobRun whose item it is."""
    drift: str | None
    """In what its result is not as usual."""
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(kw_only=True, slots=True)
class Bucket:
    """What happened to the Runs that were accepted in one span of time."""

    begins_at: datetime
    counts: dict[RunStatus, int] = field(default_factory=dict[RunStatus, int])
    durations: dict[int, int] = field(default_factory=dict[int, int])
    """How many ended Runs took how long, by class."""

    @property
    def total(self) -> int:
        """Return how many Runs were accepted."""
        return sum(self.counts.values())

    @property
    def success_rate(self) -> float | None:
        """Return the share of completed Runs of those that completed or failed."""
        completed = self.counts.get(RunStatus.COMPLETED, 0)
        judged = completed + self.counts.get(RunStatus.FAILED, 0)
        return completed / judged if judged else None


@dataclass(frozen=True, kw_only=True, slots=True)
class FailureGroup:
    """Failures of one Api for what looks like one reason."""

    project: str
    api: str
    code: str
    message: str
    """Of the newest."""
    count: int
    newest: RunId
    newest_at: datetime
    oldest_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class FailedRun:
    """A failed Run, as far as groups are made from it."""

    id: RunId
    project: str
    api: str
    code: str
    message: str
    ended_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class LastJobRun:
    """The newest JobRun of a Job, as a list shows it."""

    id: str
    status: str
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far the items of a JobRun are."""

    waiting: int
    started: int
    completed: int
    failed: int
    canceled: int
    first_at: datetime | None
    """When the first item began."""
    ended_lately: int
    """Within the last minute."""

    @property
    def total(self) -> int:
        """Return how many items there are."""
        return self.waiting + self.started + self.ended

    @property
    def ended(self) -> int:
        """Return how many have ended."""
        return self.completed + self.failed + self.canceled

    def rate(self, now: datetime) -> float:
        """Return how many items end in a minute: those of the last one, or of the time since the first."""
        if self.first_at is None:
            return 0.0
        since = max((now - self.first_at).total_seconds() / 60, 1 / 60)
        return float(self.ended_lately) if since >= 1 else self.ended / since


@dataclass(frozen=True, kw_only=True, slots=True)
class Queue:
    """What waits and what is carried out."""

    waiting: int
    oldest_at: datetime | None
    """When the Run was accepted that waits longest."""
    started: int


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerSeen:
    """A Worker as it was last heard of."""

    id: str
    host: str
    pid: int
    slots: int
    busy: int
    """Runs it carries out."""
    started_at: datetime
    heartbeat_at: datetime
    is_silent: bool
    """It is not heard of any more: stopped, cut off, or lost without a word."""
    runners: tuple[RunnerSeen, ...]
    findings: tuple[Finding, ...]
    """On its machine."""
    examined_at: datetime | None
    is_examination_asked: bool
    """Somebody asked for another look, which is not over."""

    @property
    def troubles(self) -> tuple[Finding, ...]:
        """Return the findings that are not as they should be, failures first."""
        found = [each for each in self.findings if each.state is not State.OK]
        return tuple(sorted(found, key=lambda each: each.state is not State.FAILURE))


@dataclass(frozen=True, kw_only=True, slots=True)
class RunnerSeen:
    """A Runner of a Worker."""

    deployment_id: str
    stage: str
    """`starting`, `ready`, `leased` or `recovering`."""


def quantile(durations: dict[int, int], share: float) -> timedelta | None:
    """Return how long the given share of them took at the most, within some 10 %."""
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
    """Return all of them as one."""
    found = Bucket(begins_at=begins_at)
    for bucket in buckets:
        for status, count in bucket.counts.items():
            found.counts[status] = found.counts.get(status, 0) + count
        for step, count in bucket.durations.items():
            found.durations[step] = found.durations.get(step, 0) + count
    return found


def group(failures: Sequence[FailedRun]) -> list[FailureGroup]:
    """Return failures, newest first, as groups of what looks like one reason, the largest first."""
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
