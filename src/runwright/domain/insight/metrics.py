"""The state of the installation in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
"""Upper bounds of every histogram in the database, in seconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """How many are waiting, and how long the oldest has waited."""

    count: int
    oldest_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerFigures:
    """A Worker's latest report about itself."""

    id: str
    host: str
    slots: int
    figures: Mapping[str, float]
    """By name, as measured by `execution.flows.worker_metrics`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """The state of the installation, the same whichever process asks."""

    counters: Mapping[tuple[str, str], float]
    """By name and label; they count from the installation's creation."""
    queue: Waiting
    started: int
    deliveries: Waiting
    entries: Mapping[str, int]
    """Queue entries by status."""
    workers: tuple[WorkerFigures, ...]
    database_bytes: int
    pruned_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Histogram:
    """Durations, cumulative as in Prometheus."""

    buckets: tuple[tuple[str, float], ...]
    """Each upper bound, and how many durations do not exceed it."""
    sum_seconds: float


def histogram(counters: Mapping[tuple[str, str], float], name: str) -> Histogram:
    """The histogram of that name; empty when nothing was observed."""
    total = 0.0
    buckets: list[tuple[str, float]] = []
    for bound in (*(f"{each:g}" for each in BUCKETS), "+Inf"):
        total += counters.get((name, bound), 0)
        buckets.append((bound, total))
    return Histogram(buckets=tuple(buckets), sum_seconds=counters.get((name, "sum"), 0))
