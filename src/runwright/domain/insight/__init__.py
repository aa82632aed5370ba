"""Values of metrics, overviews and diagnostics. Pure."""

from __future__ import annotations
