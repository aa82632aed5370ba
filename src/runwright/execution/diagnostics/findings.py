"""Findings of each state."""

from __future__ import annotations

from runwright.domain.insight.diagnostics import Finding, State


def ok(name: str, message: str) -> Finding:
    """Nothing to do."""
    return Finding(name=name, state=State.OK, message=message)


def warning(name: str, message: str, remedy: str) -> Finding:
    """Runs execute, but something is missing."""
    return Finding(name=name, state=State.WARNING, message=message, remedy=remedy)


def failure(name: str, message: str, remedy: str) -> Finding:
    """Runs are in trouble until this is fixed."""
    return Finding(name=name, state=State.FAILURE, message=message, remedy=remedy)
