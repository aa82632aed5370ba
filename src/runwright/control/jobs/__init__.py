"""Jobs, their firings and JobRuns. The items of a JobRun end with their Runs, in `control.runs`."""

from __future__ import annotations
