"""Questions that an Attempt asks a person. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from runwright.domain.ids import RunId

MAX_ANSWER_LENGTH = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """A question that an Attempt waits, or waited, for a person to answer."""

    id: str
    run_id: RunId
    """The Run, check or create that asks."""
    attempt: int
    text: str
    is_secret: bool
    """The answer must appear neither in the log nor in the trace."""
    asked_at: datetime
    expires_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class AskedRun:
    """A question, and where a person finds it."""

    question: Question
    project_name: str
    api: str
    shown_run_id: RunId
    """The Run or operation that the asking check or create belongs to, or the asking Run itself."""
