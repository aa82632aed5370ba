"""What pruning removes, by kind, with counts and sizes; and when pruning is due."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Kind(StrEnum):
    """What can be removed, as spelled in responses and logs."""

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
    """What was removed of a kind, or would be in a dry run."""

    kind: Kind
    count: int
    size_bytes: int = 0
    """The size in the blob store."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pruning:
    """What one pruning removed, or would remove."""

    removed: tuple[Removed, ...]
    """One for every kind."""
    is_dry: bool
    is_complete: bool
    """Nothing more is due; False when time ran out first."""

    @property
    def size_bytes(self) -> int:
        """Bytes removed from the blob store."""
        return sum(each.size_bytes for each in self.removed)


@dataclass(frozen=True, kw_only=True, slots=True)
class PastPruning:
    """A finished pruning."""

    started_at: datetime
    ended_at: datetime
    pruning: Pruning

    @property
    def freed(self) -> tuple[Removed, ...]:
        """What it removed, without the kinds that had nothing to remove."""
        return tuple(each for each in self.pruning.removed if each.count)


def total(removals: list[Removed]) -> tuple[Removed, ...]:
    """Add up removals, into one for every kind."""
    return tuple(
        Removed(
            kind=kind,
            count=sum(each.count for each in removals if each.kind is kind),
            size_bytes=sum(each.size_bytes for each in removals if each.kind is kind),
        )
        for kind in Kind
    )


def is_due(last: datetime | None, *, hour: int | None, now: datetime) -> bool:
    """True when the nightly pruning is due: none has started since that hour (UTC) last came."""
    if hour is None:
        return False
    came = now.replace(hour=hour, minute=0, second=0, microsecond=0)
    if came > now:
        came -= timedelta(days=1)
    return last is None or last < came
