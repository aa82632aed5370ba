"""Key-value stores: one for the Attempt, one for the project."""

from __future__ import annotations

import json
import re
from typing import Any

from runwright.sdk.backend import call
from runwright.sdk.context import current
from runwright.sdk.encoding import Unencodable, encode

_FORBIDDEN = re.compile(r"[:#]")


class AttemptStore:
    """Any objects by key, until the Attempt ends."""

    def get(self, key: str, default: Any = None) -> Any:
        """The value stored under the key, or the default."""
        return current().store.get(key, default)

    def set(self, key: str, value: Any) -> None:
        """Store any object under the key."""
        current().store[key] = value


class PersistentStore:
    """JSON values by key, shared by all Runs of the project, for as long as the project exists."""

    async def get(self, key: str) -> Any:
        """The value stored under the key, or None.

        Raises:
            ValueError: the key is empty or contains `:` or `#`.
        """
        answer = await call("GET", f"kv-store/{_checked(key)}")
        held = answer.get("value")
        return None if held is None else held["value"]

    async def set(self, key: str, value: Any) -> None:
        """Store a value under the key; anything that a result allows is allowed.

        Raises:
            ValueError: the key is empty or contains `:` or `#`, or JSON cannot represent the value.
        """
        name = f"kv-store/{_checked(key)}"
        try:
            text = encode(value, "value")
        except Unencodable as error:
            raise ValueError(f"persistent_store: cannot store `{key}`: {error}") from error
        await call("PUT", name, {"value": json.loads(text)})


attempt_store = AttemptStore()
persistent_store = PersistentStore()


def _checked(key: str) -> str:
    if not key or _FORBIDDEN.search(key):
        raise ValueError(f"a key must not be empty or contain `:` or `#`: {key!r:.100}")
    return key
