"""The process that runs authors' code: read an Attempt, run it, report, repeat."""

from __future__ import annotations
