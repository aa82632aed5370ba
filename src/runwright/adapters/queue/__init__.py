"""The queue, built on pgqueuer; no other package imports pgqueuer."""

from __future__ import annotations
