"""`attempt_store`: values shared by everything that runs in one Attempt; and `run_info`."""

from __future__ import annotations

from typing import Any

from runwright.sdk.context import RunInfo, current


class AttemptStore:
    """Any objects by key, for as long as the Attempt lives."""

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of the key, or the default."""
        return current().store.get(key, default)

    def set(self, key: str, value: Any) -> None:
        """Keep the value under the key."""
        current().store[key] = value


attempt_store = AttemptStore()


def run_info() -> RunInfo:
    """Return the facts about the current Run."""
    return current().info
