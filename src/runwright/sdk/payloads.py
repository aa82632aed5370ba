"""`extend_payload` and `extend_timeout`: asking for more work, and for more time."""

from __future__ import annotations

import json
from typing import Any

from runwright.sdk.context import current


def extend_payload(*items: Any) -> None:
    """Ask for further Runs, each item `{"api": name, "parameters": object}`.

    They take effect only if the Attempt succeeds. `parameters` may be a mapping or a pydantic
    model. Sets the Attempt's clock back, as `extend_timeout` does.

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
    item = _plain(item)
    if not isinstance(item, dict):
        message = f"extend_payload takes objects with `api` and `parameters`, not {item!r:.200}"
        raise ValueError(message)  # noqa: TRY004 - one kind of error for every bad item
    api, parameters = item.get("api"), _plain(item.get("parameters"))  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if not isinstance(api, str) or not api:
        raise ValueError(f"extend_payload: `api` must be the name of an API: {item!r:.200}")
    if not isinstance(parameters, dict):
        raise ValueError(f"extend_payload: `parameters` must be an object: {item!r:.200}")  # noqa: TRY004
    try:
        text = json.dumps(parameters, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"extend_payload: the parameters for `{api}` are not JSON: {error}"
        ) from error
    return {"api": api, "parameters": json.loads(text)}


def _plain(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    return dump(mode="json", by_alias=True) if callable(dump) else value
