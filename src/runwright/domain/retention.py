"""What is removed when it is old: by kind, how many, how many bytes; and when pruning is due."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Kind(StrEnum):
    """What there is to remove, as answers and logs spell it."""

    FILES = "files"
    RUNS = "runs"
    LOG_LINES = "logLines"
    NOTIFICATIONS = "notifications"
    JOB_RUNS = "jobRuns"
    DEPLOYMENTS = "deployments"
    BUNDLES = "bundles"
    AUTH_SESSIONS = "authSessions"
    WEBHOOK_SECRETS = "webhookSecrets"
    QUEUE_LOG = "queueLog"
    ORPHANS = "orphans"


@dataclass(frozen=True, kw_only=True, slots=True)
class Removed:
    """So many of a kind, which are gone or would be."""

    kind: Kind
    count: int
    size_bytes: int = 0
    """Of what lay in the blob store."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pruning:
    """What one pruning has removed, or would."""

    removed: tuple[Removed, ...]
    """One of every kind."""
    is_dry: bool
    is_complete: bool
    """Nothing more is due; False when its time was up first."""

    @property
    def size_bytes(self) -> int:
        """Return how many bytes left the blob store."""
        return sum(each.size_bytes for each in self.removed)


@dataclass(frozen=True, kw_only=True, slots=True)
class PastPruning:
    """One pruning that is over."""

    started_at: datetime
    ended_at: datetime
    pruning: Pruning

    @property
    def freed(self) -> tuple[Removed, ...]:
        """Return what it removed, less the kinds of which there was nothing."""
        return tuple(each for each in self.pruning.removed if each.count)


def total(removals: list[Removed]) -> tuple[Removed, ...]:
    """Return the removals added up, one of every kind."""
    return tuple(
        Removed(
            kind=kind,
            count=sum(each.count for each in removals if each.kind is kind),
            size_bytes=sum(each.size_bytes for each in removals if each.kind is kind),
        )
        for kind in Kind
    )


def is_due(last: datetime | None, *, hour: int | None, now: datetime) -> bool:
    """Return whether the night's pruning is to be done: none began since that hour (UTC) last came."""
    if hour is None:
        return False
    came = now.replace(hour=hour, minute=0, second=0, microsecond=0)
    if came > now:
        came -= timedelta(days=1)
    return last is None or last < came
