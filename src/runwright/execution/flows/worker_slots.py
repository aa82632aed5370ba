"""How many Attempts a Worker executes at once."""

from __future__ import annotations

import os

import psutil

from runwright.config import Settings

_RUNNER_BYTES = 400 * 1024 * 1024
"""Estimated memory of one warm Runner with its Chromium."""
_RUNNERS_PER_CORE = 2
SPARE_RUNNERS = 1


def slots(settings: Settings) -> int:
    """The number of Attempts to execute at once: as configured, or as cores and memory allow."""
    if settings.slots is not None:
        return settings.slots
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    by_memory = psutil.virtual_memory().available // _RUNNER_BYTES - SPARE_RUNNERS
    return max(1, min(cores * _RUNNERS_PER_CORE, by_memory))
