"""Another import location of `IntunedContext`."""

from __future__ import annotations

from runwright.compat.context import IntunedContext

__all__ = ["IntunedContext"]
