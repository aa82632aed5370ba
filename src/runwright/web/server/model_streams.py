"""Responses of language models on their way to an author, with their reported usage read in passing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from runwright.domain.models.event_streams import EventStream, data_of
from runwright.domain.models.model_requests import ModelRequest
from runwright.domain.models.model_usage import Heard, is_only_usage


def hear(heard: Heard, body: bytes) -> None:
    """Read a whole response; one that is not JSON only counts by its length."""
    value = _json(body)
    if isinstance(value, dict):
        heard.hear(value)
    else:
        heard.hear_bytes(body)


async def events(
    asked: ModelRequest, heard: Heard, chunks: AsyncIterator[bytes]
) -> AsyncIterator[bytes]:
    """Yield a stream's events as they arrive, except the usage event that only the gateway asked for."""
    stream = EventStream()
    async for chunk in chunks:
        passed = b"".join(each for each in stream.feed(chunk) if _is_passed(asked, heard, each))
        if passed:
            yield passed
    rest = stream.rest()
    if rest and _is_passed(asked, heard, rest):
        yield rest


def _is_passed(asked: ModelRequest, heard: Heard, event: bytes) -> bool:
    value = _json(data_of(event))
    heard.hear(value)
    return not (asked.is_usage_hidden and is_only_usage(value))


def _json(data: bytes) -> Any:
    """A provider's data as JSON; None when it is not JSON, since it may be anything."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None
