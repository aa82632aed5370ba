"""Runners as processes: starting, pooling, hearing and killing them. What they are asked to do is `execution.attempts`."""

from __future__ import annotations
