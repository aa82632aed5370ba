"""Turns an automation's return value into JSON text, or into the failure that says why it cannot."""

from __future__ import annotations

from typing import Any

from runwright import protocol
from runwright.sdk import encoding


class Unencodable(Exception):
    """The result cannot be represented in JSON; `failure` says where and why."""

    def __init__(self, failure: protocol.Failed) -> None:
        super().__init__(failure.message)
        self.failure = failure


def encode(value: Any, *, max_bytes: int) -> str:
    """The value as ASCII-escaped JSON.

    Raises:
        Unencodable: a value inside (named by its path) is of a type that JSON cannot represent, is not
            a finite number, or contains itself, or the whole is larger than `max_bytes`.
    """
    try:
        text = encoding.encode(value, "result")
    except encoding.Unencodable as error:
        raise Unencodable(_failed(error)) from error
    if len(text) > max_bytes:
        raise Unencodable(
            protocol.Failed(
                code="result-too-big-error",
                category="execution",
                message=f"The result has {len(text)} bytes as JSON; at most {max_bytes} are allowed. "
                "Return less, or save files and return their names.",
                details={"sizeInBytes": len(text), "maxSizeInBytes": max_bytes},
            )
        )
    return text


def _failed(error: encoding.Unencodable) -> protocol.Failed:
    code = "script-no-valid-output-received" if error.is_no_number else "script-execution-exception"
    return protocol.Failed(
        code=code,
        category="execution",
        message=f"The result cannot be returned: {error}.",
        details={"path": error.path},
    )
