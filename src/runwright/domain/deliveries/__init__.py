"""Deliveries and the sinks they go to. Pure."""

from __future__ import annotations
