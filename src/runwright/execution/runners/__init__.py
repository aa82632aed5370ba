"""Runners as processes: starting, pooling, listening to and killing them. `execution.attempts` gives them work."""

from __future__ import annotations
