"""Findings of a machine's diagnostics: the state of everything that Runs need, and how to fix it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """The state of what was examined."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What was examined, its state, and what to do about it."""

    name: str
    state: State
    message: str
    remedy: str = ""
