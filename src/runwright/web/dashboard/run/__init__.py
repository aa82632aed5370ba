"""Pages about Runs: the table, one Run, its files and traces, the live view, the playground. What starts by itself is in `jobs`."""

from __future__ import annotations
