"""Jobs, JobRuns and Schedules: values, readers and when a Schedule fires. Pure."""

from __future__ import annotations
