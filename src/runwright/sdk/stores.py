"""Values that outlive a function: for the Attempt, and for the project."""

from __future__ import annotations

import json
import re
from typing import Any

from runwright.sdk.backend import call
from runwright.sdk.context import current
from runwright.sdk.encoding import Unencodable, encode

_FORBIDDEN = re.compile(r"[:#]")


class AttemptStore:
    """Any objects by key, for as long as the Attempt lives."""

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of the key, or the default."""
        return current().store.get(key, default)

    def set(self, key: str, value: Any) -> None:
        """Keep the value under the key."""
        current().store[key] = value


class PersistentStore:
    """JSON by key, shared by all Runs of the project, for as long as the project lives."""

    async def get(self, key: str) -> Any:
        """Return the value of the key, or None.

        Raises:
            ValueError: the key is empty, or holds `:` or `#`.
        """
        answer = await call("GET", f"kv-store/{_checked(key)}")
        held = answer.get("value")
        return None if held is None else held["value"]

    async def set(self, key: str, value: Any) -> None:
        """Keep the value, which may be what a result may be, under the key.

        Raises:
            ValueError: the key is empty or holds `:` or `#`, or the value cannot be JSON.
        """
        name = f"kv-store/{_checked(key)}"
        try:
            text = encode(value, "value")
        except Unencodable as error:
            raise ValueError(f"persistent_store: `{key}` cannot be kept: {error}") from error
        await call("PUT", name, {"value": json.loads(text)})


attempt_store = AttemptStore()
persistent_store = PersistentStore()


def _checked(key: str) -> str:
    if not key or _FORBIDDEN.search(key):
        raise ValueError(f"a key is not empty and holds neither `:` nor `#`: {key!r:.100}")
    return key
