"""Sinks: where outcomes go. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, cast

from pydantic import TypeAdapter

from runwright.domain.deliveries.buckets import S3Sink
from runwright.domain.deliveries.sink_fields import SinkKind
from runwright.domain.deliveries.webhooks import WebhookSink
from runwright.domain.text import fields

Sink = WebhookSink | S3Sink
_KINDS: dict[str, type[WebhookSink | S3Sink]] = {
    SinkKind.WEBHOOK: WebhookSink,
    SinkKind.S3: S3Sink,
}
SinkBody = Annotated[Sink, fields.OneOf(_KINDS)]
"""A Sink as a field of a body: `type` selects the kind."""
_SINK: TypeAdapter[Sink] = TypeAdapter(SinkBody)


def parse(value: Any) -> Sink:
    """Parse a Sink from a JSON value.

    Raises:
        InvalidFields: the value is invalid; names each wrong field.
    """
    return fields.read(_SINK, value)


def stored(body: Mapping[str, Any]) -> Sink:
    """Load a Sink that its `as_json` wrote; it was validated when it was accepted."""
    return _KINDS[body["type"]].stored(body)


def unmasked(value: Any, known: Sink | None) -> Any:
    """A JSON value with its masks replaced by a known Sink's secrets."""
    if known is None or not isinstance(value, dict):
        return value
    return known.unmask(cast("dict[str, Any]", value))
