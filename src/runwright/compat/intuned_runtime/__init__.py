"""`intuned_runtime` for Intuned projects, on top of `runwright.sdk`."""

from __future__ import annotations

from runwright.compat.context import IntunedContext
from runwright.sdk import (
    EnsureBrowserFunction,
    NonRetryableError,
    RunInfo,
    attempt_store,
    deferred_browser,
    delete_attribute,
    extend_payload,
    extend_timeout,
    get_ai_gateway_config,
    get_auth_session_parameters,
    persistent_store,
    run_info,
    send_message_to_agent,
    set_attribute,
)

__all__ = [
    "EnsureBrowserFunction",
    "IntunedContext",
    "NonRetryableError",
    "RunInfo",
    "attempt_store",
    "deferred_browser",
    "delete_attribute",
    "extend_payload",
    "extend_timeout",
    "get_ai_gateway_config",
    "get_auth_session_parameters",
    "persistent_store",
    "run_info",
    "send_message_to_agent",
    "set_attribute",
]
