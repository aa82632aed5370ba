"""The commands of `runwright`, one module for each noun. What they share is `cli`."""

from __future__ import annotations
