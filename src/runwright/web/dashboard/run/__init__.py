"""Pages about Runs: the table, a Run, its files and traces, the live view, the playground."""

from __future__ import annotations
