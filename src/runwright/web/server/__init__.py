"""Shared by all routes: callers, bodies, limits, errors, metrics, long waits, the live relay. No route of the API is here."""

from __future__ import annotations
