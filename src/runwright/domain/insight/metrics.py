"""How the installation stands, in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
"""Upper bounds of every histogram that the database keeps, in seconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """How many wait, and how long the one that came first has waited."""

    count: int
    oldest_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerFigures:
    """What a Worker said of itself last."""

    id: str
    host: str
    slots: int
    figures: Mapping[str, float]
    """By name, as `execution.flows.worker_metrics` measures them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """The installation, whichever process asks."""

    counters: Mapping[tuple[str, str], float]
    """By name and label: since the installation was made."""
    queue: Waiting
    started: int
    deliveries: Waiting
    entries: Mapping[str, int]
    """Entries of the queue by status."""
    workers: tuple[WorkerFigures, ...]
    database_bytes: int
    pruned_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Histogram:
    """Durations, cumulated as Prometheus wants them."""

    buckets: tuple[tuple[str, float], ...]
    """Upper bound and how many are not above it."""
    sum_seconds: float


def histogram(counters: Mapping[tuple[str, str], float], name: str) -> Histogram:
    """Return the histogram of that name; empty when nothing was observed."""
    total = 0.0
    buckets: list[tuple[str, float]] = []
    for bound in (*(f"{each:g}" for each in BUCKETS), "+Inf"):
        total += counters.get((name, bound), 0)
        buckets.append((bound, total))
    return Histogram(buckets=tuple(buckets), sum_seconds=counters.get((name, "sum"), 0))
