"""A Worker's handlers for each kind of queue entry, and its background work. All changes of state go through `control`."""

from __future__ import annotations
