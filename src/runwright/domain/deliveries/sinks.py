"""Sinks: where outcomes go, and when a failed try is repeated. Pure."""

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
"""A Sink as a field of a body: its `type` says which it is."""
_SINK: TypeAdapter[Sink] = TypeAdapter(SinkBody)


def parse(value: Any) -> Sink:
    """The Sink that a JSON value describes.

    Raises:
        InvalidFields: it is none; says which field is wrong.
    """
    return fields.read(_SINK, value)


def stored(body: Mapping[str, Any]) -> Sink:
    """The Sink that its `as_json` gave, which was checked when it came."""
    return _KINDS[body["type"]].stored(body)


def unmasked(value: Any, known: Sink | None) -> Any:
    """A JSON value with the secrets of a known Sink where it has masks."""
    if known is None or not isinstance(value, dict):
        return value
    return known.unmask(cast("dict[str, Any]", value))
