"""Checks this machine for problems and says how to fix them. `control.insight` stores the findings."""

from __future__ import annotations
