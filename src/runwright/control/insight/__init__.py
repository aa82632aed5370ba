"""How things go: metrics, overviews, drift, health, diagnostics. It reads, and changes no Run."""

from __future__ import annotations
