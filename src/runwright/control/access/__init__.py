"""API keys, and sessions of the dashboard. What each request may do is checked in `web`."""

from __future__ import annotations
