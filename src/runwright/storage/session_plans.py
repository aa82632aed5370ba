"""AuthSession plans of Runs, operations and Jobs as JSON text in a row, without secrets."""

from __future__ import annotations

import json
from datetime import timedelta

from runwright.domain.auth_sessions import SessionOperation, SessionPlan


def text(plan: SessionPlan | None) -> str | None:
    """A plan as JSON text, without its secrets."""
    if plan is None:
        return None
    return json.dumps(
        {
            "id": plan.id,
            "operation": plan.operation,
            "auto_recreate": plan.auto_recreate,
            "check_attempts": plan.check_attempts,
            "create_attempts": plan.create_attempts,
            "request_timeout": plan.request_timeout.total_seconds(),
            "save_trace": plan.save_trace,
            "check_every": None if plan.check_every is None else plan.check_every.total_seconds(),
            "is_check_due": plan.is_check_due,
            "start_url": plan.start_url,
            "finish_url": plan.finish_url,
        }
    )


def read(text: str | None) -> SessionPlan | None:
    """Parse a plan from JSON text."""
    if text is None:
        return None
    body = json.loads(text)
    every, operation = body["check_every"], body["operation"]
    body |= {
        "operation": None if operation is None else SessionOperation(operation),
        "request_timeout": timedelta(seconds=body["request_timeout"]),
        "check_every": None if every is None else timedelta(seconds=every),
    }
    return SessionPlan(**body)
