"""Jobs, JobRuns and Schedules: their values, their parsers, and when a Schedule fires. Pure."""

from __future__ import annotations
