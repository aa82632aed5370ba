"""`extend_payload` and `extend_timeout`: request more work, or more time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from runwright.sdk.context import current
from runwright.sdk.encoding import Unencodable, encode


def extend_payload(*items: Any) -> None:
    """Request further Runs, each item being `{"api": name, "parameters": object}`.

    They take effect only if the Attempt succeeds. An item or its `parameters` may also be a pydantic
    model or dataclass, with any value that a result allows. Resets the Attempt's clock, like
    `extend_timeout`.

    Raises:
        ValueError: an item lacks a valid `api` or `parameters`, or JSON cannot represent it.
    """
    context = current()
    context.payloads.extend([_payload(item) for item in items])
    context.signal_extension()


def extend_timeout() -> None:
    """Reset the Attempt's clock to its full `requestTimeout`, at most once a minute."""
    current().signal_extension()


def _payload(item: Any) -> dict[str, Any]:
    """A JSON copy of an item, unaffected by later changes to the original."""
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
