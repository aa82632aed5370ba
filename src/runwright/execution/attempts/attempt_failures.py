"""The Failures of an Attempt, as its Run stores them and its caller reads them."""

from __future__ import annotations

from datetime import timedelta

from runwright import protocol
from runwright.domain.failures import Failure
from runwright.errors import Category, FailureCode, Problem
from runwright.redaction import Redactor


def reported(failed: protocol.Failed, redactor: Redactor) -> Failure:
    """The failure that a Runner reported, with secrets removed."""
    return Failure(
        code=FailureCode(failed.code),
        category=Category(failed.category),
        message=redactor.text(failed.message),
        retryable=failed.retryable,
        details=redactor.value(failed.details),
    )


def wrong_parameters(problems: list[Problem]) -> Failure:
    """The Api rejects the parameters, which a Job or another Run supplied unchecked."""
    said = "; ".join(f"`{each.path}` {each.message}" for each in problems)
    return Failure(
        code=FailureCode.EXECUTION_EXCEPTION,
        category=Category.USER,
        message=f"The parameters do not fit the API: {said}.",
        retryable=False,
        details={"problems": [{"path": each.path, "message": each.message} for each in problems]},
    )


def interrupted() -> Failure:
    """The platform stopped the Attempt."""
    return Failure(
        code=FailureCode.UNEXPECTED_ERROR,
        category=Category.INFRASTRUCTURE,
        message="The attempt was interrupted.",
        retryable=True,
    )


def not_kept(error: Exception) -> Failure:
    """The platform could not store the outcome, whatever the author's code did."""
    return Failure(
        code=FailureCode.INTERNAL_SERVER_ERROR,
        category=Category.INFRASTRUCTURE,
        message="The attempt has ended, but the platform could not store its outcome "
        f"({type(error).__name__}); the worker's log has the cause.",
        retryable=False,
    )


def ended_itself() -> Failure:
    """The author's code ended its own process."""
    return Failure(
        code=FailureCode.PROCESS_CRASHED,
        category=Category.EXECUTION,
        message="The automation ended its own process: one of its tasks called `sys.exit`, it was "
        "interrupted (SIGINT), or the event loop was stopped.",
        retryable=True,
        details={"crashed": "process"},
    )


def too_big(size: int, limit: int) -> Failure:
    """The result is larger than allowed."""
    return Failure(
        code=FailureCode.RESULT_TOO_BIG,
        category=Category.EXECUTION,
        message=f"The result has {size} bytes; the limit is {limit}.",
        retryable=True,
        details={"sizeInBytes": size, "maxSizeInBytes": limit},
    )


def broken_runner(error: Exception) -> Failure:
    """The Runner broke the protocol or could not be reached."""
    return Failure(
        code=FailureCode.UNEXPECTED_ERROR,
        category=Category.INFRASTRUCTURE,
        message=f"The runner failed before the attempt was over: {error}",
        retryable=True,
    )


def timed_out(limit: timedelta) -> Failure:
    """The Attempt ran longer than its Run allows."""
    seconds = limit.total_seconds()
    return Failure(
        code=FailureCode.TIMEOUT,
        category=Category.EXECUTION,
        message=f"The attempt ran longer than its `requestTimeout` of {seconds:g} s and was stopped.",
        retryable=True,
        details={"timeoutInSeconds": seconds},
    )


def crashed(description: str, most_bytes: int | None) -> Failure:
    """The Runner died as described, or was killed for using more than `most_bytes` of memory."""
    message = (
        f"The process of the attempt died: {description}."
        if most_bytes is None
        else f"The attempt was killed because it used more than {most_bytes // 2**20} MiB of memory."
    )
    return Failure(
        code=FailureCode.PROCESS_CRASHED,
        category=Category.EXECUTION,
        message=message,
        retryable=True,
        details={"crashed": "process"},
    )


def no_runner(reason: str) -> Failure:
    """The Attempt never got a Runner."""
    return Failure(
        code=FailureCode.INTERNAL_SERVER_ERROR,
        category=Category.INFRASTRUCTURE,
        message=f"No runner could be started for this attempt: {reason}",
        retryable=True,
    )
