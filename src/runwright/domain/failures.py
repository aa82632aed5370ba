"""Failures: what went wrong, as a value, and several failures combined into one. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from runwright.errors import Category, FailureCode


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """What went wrong, as a value."""

    code: FailureCode
    category: Category
    message: str
    retryable: bool
    details: dict[str, Any] = field(default_factory=dict[str, Any])


def final_failure(failures: tuple[Failure, ...]) -> Failure:
    """Combine the failures of all Attempts of a Run into one.

    One Attempt: its own failure. Several: the last one's, with `details.attempts`; the code is the one they all
    share, otherwise `all-attempts-failed`.
    """
    last = failures[-1]
    if len(failures) == 1:
        return last
    attempts = [
        {"attempt": number, "code": failure.code.value, "message": failure.message}
        for number, failure in enumerate(failures, start=1)
    ]
    is_same = all(failure.code is last.code for failure in failures)
    return Failure(
        code=last.code if is_same else FailureCode.ALL_ATTEMPTS_FAILED,
        category=last.category if is_same else Category.EXECUTION,
        message=last.message
        if is_same
        else f"All {len(failures)} attempts failed, not all for the same reason; the last: {last.message}",
        retryable=False,
        details={**last.details, "attempts": attempts},
    )


def lost_worker(number: int) -> Failure:
    """The failure of an Attempt whose Worker died during it."""
    return Failure(
        code=FailureCode.PROCESS_CRASHED,
        category=Category.EXECUTION,
        message=f"The worker process died during attempt {number}.",
        retryable=True,
        details={"crashed": "worker"},
    )
