"""Who may call: API keys, and sessions of the dashboard."""

from __future__ import annotations
