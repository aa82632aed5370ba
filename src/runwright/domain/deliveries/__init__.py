"""Deliveries and the Sinks they go to. Pure."""

from __future__ import annotations
