"""What routes share: callers, bodies, limits, errors, metrics, long waits, the live relay. No route of the API lives here."""

from __future__ import annotations
