"""What was found on a machine: how each thing stands that Runs need, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How something stands."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What was looked at, how it stands, and what to do."""

    name: str
    state: State
    message: str
    remedy: str = ""
