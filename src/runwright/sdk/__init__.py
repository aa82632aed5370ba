"""The public API for authors: `from runwright.sdk import …`. Standard library and Playwright only."""

from __future__ import annotations

from runwright.sdk.attributes import delete_attribute, set_attribute
from runwright.sdk.backend import BackendError
from runwright.sdk.context import NonRetryableError, RunInfo
from runwright.sdk.deferred import EnsureBrowserFunction, deferred_browser
from runwright.sdk.files import save_file
from runwright.sdk.markdown import to_markdown
from runwright.sdk.one_time_codes import one_time_code
from runwright.sdk.pages import click_until_gone, go_to, scroll_to_end, settle
from runwright.sdk.payloads import extend_payload, extend_timeout
from runwright.sdk.people import NobodyAnswered, ask_person
from runwright.sdk.platform import (
    get_ai_gateway_config,
    get_auth_session_parameters,
    run_info,
    send_message_to_agent,
)
from runwright.sdk.stores import attempt_store, persistent_store

__all__ = [
    "BackendError",
    "EnsureBrowserFunction",
    "NobodyAnswered",
    "NonRetryableError",
    "RunInfo",
    "ask_person",
    "attempt_store",
    "click_until_gone",
    "deferred_browser",
    "delete_attribute",
    "extend_payload",
    "extend_timeout",
    "get_ai_gateway_config",
    "get_auth_session_parameters",
    "go_to",
    "one_time_code",
    "persistent_store",
    "run_info",
    "save_file",
    "scroll_to_end",
    "send_message_to_agent",
    "set_attribute",
    "settle",
    "to_markdown",
]
