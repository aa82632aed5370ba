"""Pages of Jobs and JobRuns. `drawing` draws their calendar of firings."""

from __future__ import annotations
