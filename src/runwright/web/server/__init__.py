"""What routes share: callers, bodies, limits, errors, metrics, long waits, the live relay."""

from __future__ import annotations
