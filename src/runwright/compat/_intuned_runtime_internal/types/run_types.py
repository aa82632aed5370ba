"""Where the facts of a Run are imported from under that format's name."""

from __future__ import annotations

from runwright.sdk import RunInfo as IntunedRunContext

__all__ = ["IntunedRunContext"]
