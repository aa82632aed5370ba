"""`RunInfo` under its Intuned name."""

from __future__ import annotations

from runwright.sdk import RunInfo as IntunedRunContext

__all__ = ["IntunedRunContext"]
