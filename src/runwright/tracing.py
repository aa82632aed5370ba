"""Optional OpenTelemetry traces: request → queue → Attempt. Without an endpoint every function here is a no-op.

The packages are an extra, `runwright[otel]`, imported only when a collector is configured.
"""

from __future__ import annotations

import importlib
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from runwright.errors import ConfigError

_NANOSECONDS = 1_000_000_000
_open: dict[str, Any] = {}
"""The tracer and the propagator, once configured. Unsent spans are sent when the process ends."""


def configure(endpoint: str | None) -> None:
    """Send traces to a collector that accepts OTLP over HTTP; None sends them nowhere.

    Raises:
        ConfigError: the extra is not installed.
    """
    if endpoint is None:
        return
    try:
        sdk = importlib.import_module("opentelemetry.sdk.trace")
        export = importlib.import_module("opentelemetry.sdk.trace.export")
        resources = importlib.import_module("opentelemetry.sdk.resources")
        otlp = importlib.import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
        propagation = importlib.import_module("opentelemetry.trace.propagation.tracecontext")
    except ImportError as error:
        raise ConfigError(
            "`RUNWRIGHT_OTEL_ENDPOINT` needs an extra: pip install 'runwright[otel]'."
        ) from error
    provider = sdk.TracerProvider(resource=resources.Resource({"service.name": "runwright"}))
    exporter = otlp.OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces")
    provider.add_span_processor(export.BatchSpanProcessor(exporter))
    _open.update(
        tracer=provider.get_tracer("runwright"),
        propagator=propagation.TraceContextTextMapPropagator(),
    )


@contextmanager
def span(name: str, *, parent: str | None = None, **attributes: str | int) -> Generator[None]:
    """Trace the block, under the given W3C trace context, else under the enclosing span."""
    if not _open:
        yield
        return
    tracer = _open["tracer"]
    with tracer.start_as_current_span(name, context=_context(parent), attributes=attributes):
        yield


def past(name: str, *, parent: str | None, since: datetime, until: datetime) -> None:
    """Record a span that has already ended."""
    if not _open:
        return
    began = _open["tracer"].start_span(
        name, context=_context(parent), start_time=int(since.timestamp() * _NANOSECONDS)
    )
    began.end(end_time=int(until.timestamp() * _NANOSECONDS))


def current() -> str | None:
    """The W3C trace context of the enclosing span; None without one."""
    if not _open:
        return None
    carrier: dict[str, str] = {}
    _open["propagator"].inject(carrier)
    return carrier.get("traceparent")


def _context(parent: str | None) -> Any:
    return None if parent is None else _open["propagator"].extract({"traceparent": parent})
