"""What can go wrong with an Attempt, as the values that its Run keeps and its caller reads."""

from __future__ import annotations

from datetime import timedelta

from runwright import protocol
from runwright.domain.failures import Failure
from runwright.errors import Category, FailureCode, Problem
from runwright.redaction import Redactor


def reported(failed: protocol.Failed, redactor: Redactor) -> Failure:
    """Return what a Runner says went wrong, without secrets."""
    return Failure(
        code=FailureCode(failed.code),
        category=Category(failed.category),
        message=redactor.text(failed.message),
        retryable=failed.retryable,
        details=redactor.value(failed.details),
    )


def wrong_parameters(problems: list[Problem]) -> Failure:
    """Return that the parameters are not what the Api takes, which nobody saw to before: a Job or another Run did."""
    said = "; ".join(f"`{each.path}` {each.message}" for each in problems)
    return Failure(
        code=FailureCode.EXECUTION_EXCEPTION,
        category=Category.USER,
        message=f"The parameters are not what the API takes: {said}.",
        retryable=False,
        details={"problems": [{"path": each.path, "message": each.message} for each in problems]},
    )


def interrupted() -> Failure:
    """Return that the platform stopped the Attempt."""
    return Failure(
        code=FailureCode.UNEXPECTED_ERROR,
        category=Category.INFRASTRUCTURE,
        message="The attempt was interrupted.",
        retryable=True,
    )


def not_kept(error: Exception) -> Failure:
    """Return that the platform cannot keep how an Attempt ended, whatever its code did."""
    return Failure(
        code=FailureCode.INTERNAL_SERVER_ERROR,
        category=Category.INFRASTRUCTURE,
        message="The attempt has ended, and the platform cannot keep how "
        f"({type(error).__name__}); its log has the cause.",
        retryable=False,
    )


def ended_itself() -> Failure:
    """Return that the author's code ended its process."""
    return Failure(
        code=FailureCode.PROCESS_CRASHED,
        category=Category.EXECUTION,
        message="The automation ended its own process: one of its tasks called `sys.exit`, it was "
        "interrupted (SIGINT), or the event loop was stopped.",
        retryable=True,
        details={"crashed": "process"},
    )


def too_big(size: int, limit: int) -> Failure:
    """Return that the result is larger than allowed."""
    return Failure(
        code=FailureCode.RESULT_TOO_BIG,
        category=Category.EXECUTION,
        message=f"The result has {size} bytes; at most {limit} are kept.",
        retryable=True,
        details={"sizeInBytes": size, "maxSizeInBytes": limit},
    )


def broken_runner(error: Exception) -> Failure:
    """Return that a Runner said what none may say, or could not be reached."""
    return Failure(
        code=FailureCode.UNEXPECTED_ERROR,
        category=Category.INFRASTRUCTURE,
        message=f"The runner broke off before the attempt was over: {error}",
        retryable=True,
    )


def timed_out(limit: timedelta) -> Failure:
    """Return that the Attempt ran longer than its Run allows."""
    seconds = limit.total_seconds()
    return Failure(
        code=FailureCode.TIMEOUT,
        category=Category.EXECUTION,
        message=f"The attempt ran longer than its `requestTimeout` of {seconds:g} s and was stopped.",
        retryable=True,
        details={"timeoutInSeconds": seconds},
    )


def crashed(description: str, most_bytes: int | None) -> Failure:
    """Return that the Runner died, of what its exit says, or of holding more than so much memory."""
    message = (
        f"The process of the attempt died: {description}."
        if most_bytes is None
        else f"The attempt was killed for memory: it held more than {most_bytes // 2**20} MiB."
    )
    return Failure(
        code=FailureCode.PROCESS_CRASHED,
        category=Category.EXECUTION,
        message=message,
        retryable=True,
        details={"crashed": "process"},
    )


def no_runner(reason: str) -> Failure:
    """Return that the Attempt never had a Runner, and why."""
    return Failure(
        code=FailureCode.INTERNAL_SERVER_ERROR,
        category=Category.INFRASTRUCTURE,
        message=f"No runner could be made ready for this attempt: {reason}",
        retryable=True,
    )
