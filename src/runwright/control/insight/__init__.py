"""The installation's state: metrics, overviews, drift, health, diagnostics. Read-only with respect to Runs."""

from __future__ import annotations
