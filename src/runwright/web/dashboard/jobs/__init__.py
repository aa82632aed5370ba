"""Pages of Jobs and JobRuns."""

from __future__ import annotations
