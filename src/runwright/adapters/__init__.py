"""What is swapped or lies outside: queue, blobs, sealing, signals, HTTP to receivers. It knows no Run."""

from __future__ import annotations
