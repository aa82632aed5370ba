"""JSON text columns of a Run, written and parsed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from runwright.domain.failures import Failure
from runwright.domain.runs import Cancellation, ExtendedPayload
from runwright.errors import CancelReason, Category, FailureCode


def attributes_text(attributes: dict[str, Any]) -> str:
    """Attributes as text for `jsonb`, which allows neither NUL nor lone surrogates."""
    text = json.dumps(attributes, ensure_ascii=False).replace("\\u0000", "\\ufffd")
    return text.encode("utf-8", "replace").decode()


def failure_text(failure: Failure | None) -> str | None:
    """A failure as JSON text."""
    if failure is None:
        return None
    return json.dumps(
        {
            "code": failure.code.value,
            "category": failure.category.value,
            "message": failure.message,
            "retryable": failure.retryable,
            "details": failure.details,
        }
    )


def failure(text: str | None) -> Failure | None:
    """Parse the text of `failure_text`."""
    if text is None:
        return None
    body = json.loads(text)
    return Failure(
        code=FailureCode(body["code"]),
        category=Category(body["category"]),
        message=body["message"],
        retryable=body["retryable"],
        details=body["details"],
    )


def cancellation_text(cancellation: Cancellation | None) -> str | None:
    """A cancellation as JSON text."""
    if cancellation is None:
        return None
    return json.dumps(
        {
            "reason": cancellation.reason.value,
            "message": cancellation.message,
            "details": cancellation.details,
        }
    )


def cancellation(text: str | None) -> Cancellation | None:
    """Parse the text of `cancellation_text`."""
    if text is None:
        return None
    body = json.loads(text)
    return Cancellation(
        reason=CancelReason(body["reason"]), message=body["message"], details=body["details"]
    )


def payloads_text(payloads: Sequence[ExtendedPayload]) -> str:
    """Extended payloads as JSON text."""
    return json.dumps(
        [
            {"api": item.api, "parameters": item.parameters, "run_id": item.run_id}
            for item in payloads
        ]
    )


def payloads(text: str | None) -> tuple[ExtendedPayload, ...]:
    """Parse the text of `payloads_text`."""
    return tuple(ExtendedPayload(**item) for item in json.loads(text or "[]"))
