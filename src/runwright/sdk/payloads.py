"""`extend_payload` and `extend_timeout`: asking for more work, and for more time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from runwright.sdk.context import current
from runwright.sdk.encoding import Unencodable, encode


def extend_payload(*items: Any) -> None:
    """Ask for further Runs, each item `{"api": name, "parameters": object}`.

    They take effect only if the Attempt succeeds. Item and `parameters` may be pydantic models or
    dataclasses too, and hold what a result may hold. Sets the Attempt's clock back, as `extend_timeout` does.

    Raises:
        ValueError: an item has no `api` or no `parameters`, or one that is not JSON.
    """
    context = current()
    context.payloads.extend([_payload(item) for item in items])
    context.signal_extension()


def extend_timeout() -> None:
    """Set the Attempt's clock back to its full `requestTimeout`; at most one signal a minute."""
    current().signal_extension()


def _payload(item: Any) -> dict[str, Any]:
    """Return an item with its parameters as JSON has them, which later changes do not reach."""
    try:
        found = json.loads(encode(_known(item), "item"))
    except Unencodable as error:
        raise ValueError(f"extend_payload: {error}") from error
    if not isinstance(found, dict):
        message = f"extend_payload takes objects with `api` and `parameters`, not {item!r:.200}"
        raise ValueError(message)  # noqa: TRY004 - one kind of error for every bad item
    api, parameters = found.get("api"), found.get("parameters")  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    if not isinstance(api, str) or not api:
        raise ValueError(f"extend_payload: `api` must be the name of an API: {item!r:.200}")
    if not isinstance(parameters, dict):
        raise ValueError(f"extend_payload: `parameters` must be an object: {item!r:.200}")  # noqa: TRY004
    return {"api": api, "parameters": parameters}


def _known(item: Any) -> Any:
    if not isinstance(item, Mapping):
        return item
    given = cast("Mapping[str, Any]", item)
    return {name: given[name] for name in ("api", "parameters") if name in given}
