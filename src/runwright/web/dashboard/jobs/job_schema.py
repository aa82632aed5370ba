"""The JSON Schema behind the Job form, filled with the project's Apis and sessions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_PARTS = {
    "hour": ("Hour", "`9`, `9-17`, `0-23/2`, `8, 20`; 0 if empty"),
    "minute": ("Minute", "0 if empty"),
    "second": ("Second", "0 if empty"),
    "dayOfWeek": ("Day of the week", "`MONDAY`, `MONDAY, FRIDAY`, `1-5`; any if empty"),
    "dayOfMonth": ("Day of the month", "`1`, `1-7`; any if empty"),
    "month": ("Month", "`JANUARY`, `1-3`; any if empty"),
    "year": ("Year", "any if empty"),
}
_WHOLE = {"type": "integer", "minimum": 1}


def make(apis: Sequence[str], sessions: Sequence[str], *, is_new: bool) -> dict[str, Any]:
    """Build the schema; a new Job also has an `id`."""
    properties: dict[str, Any] = {
        "id": _text("ID", "Letters, digits, `.`, `_`, `~` or `-`"),
        "payload": {"type": "array", "title": "Items, in order", "items": _item(apis)},
        "configuration": _group(
            "Options",
            maxConcurrentRequests={**_WHOLE, "title": "Max. concurrent items"},
            requestTimeout={**_WHOLE, "title": "Attempt timeout (seconds)"},
            maxRuns={**_WHOLE, "title": "Stop after this many runs"},
            retry=_retry(),
        ),
        "schedule": _schedule(),
        "auth_session": _group("Auth session", id=_choice("Session", sessions)),
        "sink": {
            "type": "object",
            "title": "Sink",
            "description": 'JSON: `{"type": "webhook", "url": "…"}`',
        },
        "notifications": {
            "type": "array",
            "title": "Notifications when a job run starts, pauses or ends",
            "items": {
                **_group("", type={"const": "webhook", "title": "Kind"}, url=_text("URL")),
                "required": ["type", "url"],
            },
        },
    }
    required = ["payload", "configuration"]
    if is_new:
        return {"type": "object", "required": ["id", *required], "properties": properties}
    del properties["id"]
    return {"type": "object", "required": required, "properties": properties}


def _item(apis: Sequence[str]) -> dict[str, Any]:
    fields = _group(
        "",
        apiName=_choice("API", apis),
        parameters={"type": "object", "title": "Parameters"},
        requestTimeout={**_WHOLE, "title": "Attempt timeout (seconds)"},
        retry=_retry(),
    )
    return {**fields, "required": ["apiName", "parameters"]}


def _schedule() -> dict[str, Any]:
    parts = {
        name: {**_text(title, hint), "x-calendar": True} for name, (title, hint) in _PARTS.items()
    }
    every = {**_group("", every=_text("Every", "`15m`, `1h30m`, `2 days`")), "required": ["every"]}
    return _group(
        "Schedule",
        timeZone=_text("Time zone", "For example `Europe/Berlin`; UTC if empty"),
        intervals={"type": "array", "title": "Intervals", "items": every},
        calendars={
            "type": "array",
            "title": "Calendars",
            "items": _group("", **parts),
        },
        jitter=_text("Jitter", "Maximum random delay, such as `30s`"),
    )


def _retry() -> dict[str, Any]:
    return _group("Retry", maximumAttempts={**_WHOLE, "maximum": 100, "title": "Attempts"})


def _group(title: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "title": title, "properties": properties}


def _text(title: str, description: str = "") -> dict[str, Any]:
    return {"type": "string", "title": title, "description": description}


def _choice(title: str, known: Sequence[str]) -> dict[str, Any]:
    return {"title": title, **({"enum": list(known)} if known else {"type": "string"})}
