"""Adapters to the outside: queue, blobs, sealing, signals, HTTP to receivers. They know nothing of Runs."""

from __future__ import annotations
