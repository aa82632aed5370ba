"""The installation's state as metrics, under the names that dashboards and alerts depend on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from runwright.control.insight.metrics import SCHEDULE_LATENESS
from runwright.domain.insight import metrics as domain
from runwright.domain.insight.metrics import Standing, WorkerFigures

_COUNTERS = (
    ("runs_accepted", "Runs accepted, and operations, checks and creates started.", ("kind",)),
    ("runs", "Runs, operations, checks and creates that have ended.", ("kind", "status")),
    ("attempts", "Attempts that have ended; `code` says why one failed.", ("status", "code")),
    ("delivery_tries", "Tries of Deliveries.", ("outcome",)),
    ("deliveries", "Deliveries that have ended.", ("status",)),
    (
        "model_calls",
        "Calls of language models that have ended, answered or failed.",
        ("provider", "model", "outcome"),
    ),
    (
        "model_tokens",
        "Tokens of language models, by how they are billed.",
        ("provider", "model", "kind"),
    ),
    ("model_usd", "Cost of language models, in US dollars.", ("provider", "model")),
)
_NAMES = {"runs": "runs_ended", "attempts": "attempts_ended", "deliveries": "deliveries_ended"}
_HISTOGRAMS = (
    (
        "dispatch_seconds",
        "From accepting a Run to the first line of its code, without sessions and JobRuns.",
    ),
    ("attempt_seconds", "From the first line of an Attempt's code to its end."),
    (SCHEDULE_LATENESS, "From the time a Schedule sets to the start of its JobRun."),
)
_WORKER_GAUGES = (
    ("attempts", "Attempts that a Worker is executing."),
    ("browsers", "Live browsers of a Worker."),
    ("memory_bytes", "Memory of a Worker's own process, without shared pages."),
    ("runner_memory_bytes", "Memory of a Worker's Runners and their browsers."),
    ("available_memory_bytes", "Memory available on a Worker's machine."),
    ("short_of_disk", "Whether a Worker starts nothing because disk is short."),
    ("short_of_memory", "Whether a Worker starts nothing because memory is short."),
    ("open_files", "Open file descriptors of a Worker's process."),
)
_STAGES = ("starting", "ready", "leased", "recovering")


@dataclass(eq=False, kw_only=True, slots=True)
class _Standing(Collector):
    standing: Standing | None

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics that the database holds."""
        yield _gauge("database_up", "Whether the database is reachable.", self.standing is not None)
        if self.standing is not None:
            yield from _of(self.standing)


def registry(standing: Standing | None) -> CollectorRegistry:
    """The metrics of a standing; None when the database is unreachable."""
    made = CollectorRegistry(auto_describe=False)
    made.register(_Standing(standing=standing))
    return made


def _of(standing: Standing) -> Iterator[Metric]:
    for name, text, labels in _COUNTERS:
        yield _counter(standing, name, text, labels)
    for name, text in _HISTOGRAMS:
        yield _histogram(standing, name, text)
    yield _gauge("queue_runs", "Runs waiting for a Worker.", standing.queue.count)
    oldest = "Age of the oldest of them."
    yield _gauge("queue_oldest_seconds", oldest, standing.queue.oldest_seconds)
    yield _gauge("runs_started", "Runs in progress.", standing.started)
    entries = GaugeMetricFamily(
        "runwright_queue_entries", "Queue entries, including Deliveries.", labels=("status",)
    )
    for status in ("queued", "picked"):
        entries.add_metric((status,), standing.entries.get(status, 0))
    yield entries
    pending = standing.deliveries
    yield _gauge("deliveries_pending", "Pending Deliveries.", pending.count)
    yield _gauge("deliveries_oldest_seconds", oldest, pending.oldest_seconds)
    yield _gauge("database_bytes", "Size of the database.", standing.database_bytes)
    pruned = standing.pruned_at
    last = "When pruning last completed; 0: never."
    yield _gauge("pruned_timestamp_seconds", last, pruned.timestamp() if pruned else 0)
    yield _gauge("workers", "Live Workers.", len(standing.workers))
    yield from _of_workers(standing.workers)


def _of_workers(workers: Iterable[WorkerFigures]) -> Iterator[Metric]:
    slots = _worker_gauge("worker_slots", "Attempts that a Worker may execute at once.")
    runners = _worker_gauge("worker_runners", "Runners of a Worker.", "stage")
    gauges = [(name, _worker_gauge(f"worker_{name}", text)) for name, text in _WORKER_GAUGES]
    for each in workers:
        who = (each.id, each.host)
        slots.add_metric(who, each.slots)
        for stage in _STAGES:
            runners.add_metric((*who, stage), each.figures.get(f"runners_{stage}", 0))
        for name, gauge in gauges:
            if name in each.figures:
                gauge.add_metric(who, each.figures[name])
    yield slots
    yield runners
    yield from (gauge for _, gauge in gauges)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"runwright_{name}", text, value=float(value))


def _worker_gauge(name: str, text: str, *more: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"runwright_{name}", text, labels=("worker", "host", *more))


def _counter(standing: Standing, name: str, text: str, labels: tuple[str, ...]) -> Metric:
    family = CounterMetricFamily(f"runwright_{_NAMES.get(name, name)}", text, labels=labels)
    for (counted, label), value in standing.counters.items():
        if counted == name:
            family.add_metric(label.split(":")[: len(labels)], value)
    return family


def _histogram(standing: Standing, name: str, text: str) -> Metric:
    found = domain.histogram(standing.counters, name)
    return HistogramMetricFamily(
        f"runwright_{name}", text, buckets=list(found.buckets), sum_value=found.sum_seconds
    )
