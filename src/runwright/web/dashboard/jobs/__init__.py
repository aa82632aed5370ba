"""Pages of Jobs and JobRuns. Their calendar of firings is drawn in `drawing`."""

from __future__ import annotations
