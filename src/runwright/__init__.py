"""Runwright: Playwright automations as HTTP APIs on machines you own."""

from __future__ import annotations

__version__ = "0.1.0"
