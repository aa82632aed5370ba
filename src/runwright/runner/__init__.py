"""The process that runs authors' code: read an Attempt, run it, report, repeat. No database and no HTTP API."""

from __future__ import annotations
