"""What authors import: `from runwright.sdk import …`. Standard library and Playwright only."""

from __future__ import annotations

from runwright.sdk.attributes import delete_attribute, set_attribute
from runwright.sdk.context import NonRetryableError, RunInfo
from runwright.sdk.payloads import extend_payload, extend_timeout
from runwright.sdk.stores import attempt_store, run_info

__all__ = [
    "NonRetryableError",
    "RunInfo",
    "attempt_store",
    "delete_attribute",
    "extend_payload",
    "extend_timeout",
    "run_info",
    "set_attribute",
]
